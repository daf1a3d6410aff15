"""Adapters: a small set of weights trained beside the frozen weights of a base.

The functions' keyword parameters are what a recipe may set. Defaults are those that did best in PEFT's own comparison
(method_comparison, Llama-3.2-3B on GSM8K) where it has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, cast

from tunesmith.core.errors import UserError
from tunesmith.models.adapter_folder import DEFAULT, VIRTUAL, wrap
from tunesmith.train.job import Adapter

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

Make = Callable[..., Any]
Words = Callable[[str | None], Iterable[int]]  # a text, or None for the training rows -> their token ids


def lora(
    *, rank: int = 16, alpha: float | None = None, dropout: float = 0.0, targets: list[str] | None = None
) -> object:
    """Low-rank updates of every linear layer but the head (Hu et al. 2021, arXiv 2106.09685), times alpha / rank.

    alpha is twice the rank without it; targets are names of layers, such as [q_proj, v_proj].
    """
    return _low_rank(rank, alpha or 2 * rank, dropout, targets)


def rslora(
    *, rank: int = 64, alpha: float | None = None, dropout: float = 0.0, targets: list[str] | None = None
) -> object:
    """LoRA times alpha / sqrt(rank), so that high ranks learn too (Kalajdzievski 2023, arXiv 2312.03732).

    alpha is the rank without it.
    """
    return _low_rank(rank, alpha or rank, dropout, targets, use_rslora=True)


def dora(
    *, rank: int = 16, alpha: float | None = None, dropout: float = 0.0, targets: list[str] | None = None
) -> object:
    """LoRA on the direction of each weight, its length trained apart (Liu et al. 2024, arXiv 2402.09353)."""
    return _low_rank(rank, alpha or 2 * rank, dropout, targets, use_dora=True)


def qlora(
    *, rank: int = 16, alpha: float | None = None, dropout: float = 0.0, targets: list[str] | None = None
) -> object:
    """LoRA on a base that is kept in 4 bits (Dettmers et al. 2023, arXiv 2305.14314); it needs bitsandbytes."""
    return _low_rank(rank, alpha or 2 * rank, dropout, targets)


def ia3() -> object:
    """A factor for each key, value and inner feed-forward unit (Liu et al. 2022, arXiv 2205.05638)."""
    from peft import IA3Config

    return IA3Config(task_type="CAUSAL_LM")


def prefix(*, tokens: int = 20, text: str | None = None) -> object:
    """Keys and values of virtual tokens before every row, in each layer (Li and Liang 2021, arXiv 2101.00190).

    They start as those of a text, of the first training rows without one: from random values they learn badly.
    """
    from peft import PrefixTuningConfig

    return PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=tokens)


def prompt(*, tokens: int = 20, text: str | None = None) -> object:
    """Embeddings of virtual tokens before every row (Lester et al. 2021, arXiv 2104.08691); they start as in prefix."""
    from peft import PromptTuningConfig

    return PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=tokens)


def bottleneck(
    *,
    reduction: int = 16,
    places: Literal["houlsby", "pfeiffer"] = "houlsby",
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu",
    dropout: float = 0.0,
) -> object:
    """A small network after sublayers, with the hidden width divided by `reduction` units, which is added to them.

    houlsby: after attention and feed-forward (Houlsby et al. 2019, arXiv 1902.00751); pfeiffer: after the feed-forward
    alone (Pfeiffer et al. 2020, arXiv 2005.00247).
    """
    from tunesmith.models.bottleneck import BottleneckConfig

    return BottleneckConfig(reduction, places, activation, dropout)


ADAPTERS: dict[str, Make] = {
    "lora": lora,
    "rslora": rslora,
    "dora": dora,
    "qlora": qlora,
    "ia3": ia3,
    "prefix": prefix,
    "prompt": prompt,
    "bottleneck": bottleneck,
}
LOW_RANK = ("lora", "rslora", "dora", "qlora")


def _low_rank(rank: int, alpha: float, dropout: float, targets: list[str] | None, **variant: bool) -> object:
    from peft import LoraConfig

    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=targets or "all-linear",
        task_type="CAUSAL_LM",
        **variant,
    )


def check(adapter: Adapter) -> None:
    """Raise UserError where the options of an adapter cannot be; what they are called and typed is checked before."""
    for name, value in adapter.options.items():
        if name in ("rank", "tokens", "reduction") and cast("int", value) < 1:
            raise UserError(f"adapter {adapter.kind}: {name} {value} is too small.", "Give at least 1.")
        if name == "alpha" and value is not None and cast("float", value) <= 0:
            raise UserError(f"adapter {adapter.kind}: alpha {value} is too small.", "Give a number above 0.")
        if name == "dropout" and not 0 <= cast("float", value) < 1:
            raise UserError(f"adapter {adapter.kind}: dropout {value} will not do.", "Give a number from 0 to below 1.")
        if name in ("targets", "text") and not value and value is not None:
            raise UserError(f"adapter {adapter.kind}: {name} is empty.", f"Leave {name}: out for the usual.")


def attach(model: PreTrainedModel, adapter: Adapter, *, seed: int, words: Words) -> PeftModel:
    """The model with a new adapter that alone is trained. `words` gives what virtual tokens start as."""
    import torch

    check(adapter)
    torch.manual_seed(seed)
    try:
        adapted = wrap(model, ADAPTERS[adapter.kind](**adapter.options))
    except ValueError as error:  # PEFT's word for layers that this model does not have
        known = "Name its layers in targets:." if adapter.kind in LOW_RANK else "Take another kind, such as lora."
        raise UserError(f"adapter {adapter.kind} does not fit this model: {error}", known) from error
    if adapter.kind in VIRTUAL:
        _start_virtual(adapted, adapter, words)
    return adapted


def _start_virtual(adapted: Any, adapter: Adapter, words: Words) -> None:  # noqa: ANN401  # PEFT ships no types
    """Let the virtual tokens start as tokens of a text."""
    import torch

    encoder = adapted.prompt_encoder[DEFAULT]
    count = adapted.active_peft_config.num_virtual_tokens
    base = adapted.get_base_model()
    window = getattr(base.config, "sliding_window", None)
    if adapter.kind == "prefix" and window is not None and count >= window:
        raise UserError(
            f"A prefix of {count} tokens does not fit a window of {window}.", f"Give tokens: below {window}."
        )
    ids = list(islice(_again(words(cast("str | None", adapter.options.get("text")))), count))
    given = torch.tensor([ids], device=base.device)
    with torch.no_grad():
        if adapter.kind == "prompt":
            encoder.embedding.weight.copy_(base.get_input_embeddings()(given)[0])
        else:
            said = base(input_ids=given, attention_mask=torch.ones_like(given), use_cache=True)
            encoder.embedding.weight.copy_(_flat(said.past_key_values))


def _again(ids: Iterable[int]) -> Iterator[int]:
    """The ids over and over."""
    kept: list[int] = []
    for token in ids:
        kept.append(token)
        yield token
    if not kept:
        raise UserError("The text that virtual tokens are to start as is empty.", "Give text: at least a word.")
    while True:
        yield from kept


def _flat(cache: Any) -> torch.Tensor:  # noqa: ANN401  # transformers' cache of keys and values
    """Keys and values of one row as PEFT keeps them: [tokens, layers * 2 * heads * width]."""
    import torch

    each = [side[0].transpose(0, 1) for layer in cache.layers for side in (layer.keys, layer.values)]
    return torch.stack(each, dim=1).flatten(1)


def count_all(model: PeftModel) -> int:
    """How many weights an adapted model has; those in 4 bits count as what they stand for."""
    return int(cast("Any", model).get_nb_trainable_parameters()[1])
