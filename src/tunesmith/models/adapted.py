"""Many adapters on one base: the base's weights lie in memory once, and one batch may ask several adapters."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.models.adapter_folder import BOTTLENECK, kind_of, put_on, read_adapter
from tunesmith.models.base import Answer, Chat, Model, Sampling, TokenLogprobs
from tunesmith.models.chat import Tokens, render
from tunesmith.models.generation import Decoding, answer_ids, in_batches, left_padded, logits_of
from tunesmith.models.local import LocalModel, load, own_decoding, precision_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# Kinds of which rows of one batch may have different adapters, and the network in which they lie together.
MIXED = {"lora": "low rank", "rslora": "low rank", "qlora": "low rank", BOTTLENECK: "bottleneck"}
NONE = "__base__"  # PEFT's name for a row without adapter


class AdaptedModels:
    """Adapters by name on one base folder; each answers as it does alone, and rows without one as the base.

    LoRA and rsLoRA adapters answer together, whatever their ranks, and so do bottleneck adapters, whatever their sizes;
    rows of another kind are asked adapter by adapter. Raises UserError for an adapter that was trained on another base.
    """

    def __init__(self, base: Path, adapters: Mapping[str, Path], *, batch_size: int = 128) -> None:
        self.folder = base
        self.batch_size = batch_size
        self.four_bit = any(kind_of(folder) == "qlora" for folder in adapters.values())
        self.loaded = load(base, four_bit=self.four_bit)
        self._decoding: dict[str, Decoding] = {NONE: self.loaded.decoding(base.name)}
        self._apart: dict[str, LocalModel] = {}
        self._mixed: dict[str, PeftModel] = {}
        self._network_of: dict[str, str] = {}
        self._precision = precision_of(self.loaded.model)
        for name, folder in adapters.items():
            self.load(name, folder)

    @property
    def names(self) -> list[str]:
        """The adapters that are loaded, in the order in which they came."""
        return [name for name in self._decoding if name != NONE]

    def load(self, name: str, folder: Path) -> None:
        """Load one more adapter."""
        if not name or "." in name or name in self._decoding:
            raise UserError(f"{name!r} cannot name an adapter here.", "Take a name without dots that is not taken.")
        adapter = read_adapter(folder, base=self.folder)
        if (adapter.kind == "qlora") != self.four_bit:
            bits = "four bits" if adapter.kind == "qlora" else "full precision"
            raise UserError(
                f"{name} was trained on a base in {bits}; this one is not.", "Load it on a base of its own."
            )
        tokenizer, config = own_decoding(folder)
        own = replace(self.loaded, tokenizer=tokenizer, config=config or self.loaded.config)
        if adapter.kind in MIXED:
            network = MIXED[adapter.kind]
            beneath = self._mixed.get(network) or _sharing(self.loaded.model)
            self._mixed[network] = put_on(beneath, adapter, name=_inside(name))
            self._network_of[name] = network
        else:
            tree = _sharing(self.loaded.model)
            tree.generation_config = own.config
            whole = replace(own, model=cast("PreTrainedModel", put_on(tree, adapter)))
            self._apart[name] = LocalModel(folder, name=name, batch_size=self.batch_size, loaded=whole)
        self._decoding[name] = own.decoding(name)

    def unload(self, name: str) -> None:
        """Drop an adapter; the others stay as they are."""
        self._check(name)
        del self._decoding[name]
        if self._apart.pop(name, None) is None:
            network = self._network_of.pop(name)
            left = [other for other, its in self._network_of.items() if its == network]
            if left:
                self._mixed[network].set_adapter(_inside(left[0]))
                self._mixed[network].delete_adapter(_inside(name))
            else:
                del self._mixed[network]

    def model(self, name: str) -> Model:
        """One adapter as a model."""
        self._check(name)
        return self._apart.get(name) or _One(name, self)

    def generate(self, chats: Sequence[Chat], sampling: Sampling, adapters: Sequence[str | None]) -> list[Answer]:
        """One answer for each chat, in order, from the adapter of its place; None asks the base.

        Sampled answers repeat for the same seed, chats and adapters.
        """
        import torch

        answers: dict[int, Answer] = {}
        for (name, network), indices in self._by_model(adapters).items():
            if name is not None:
                given = self._apart[name].generate([chats[i] for i in indices], sampling)
                answers.update(zip(indices, given, strict=True))
                continue
            rows = [self._row(chats[i], adapters[i], answer=False) for i in indices]
            with torch.random.fork_rng():
                torch.manual_seed(sampling.seed)
                for places in in_batches(
                    [row.tokens for row in rows], self.batch_size, [row.way(sampling) for row in rows]
                ):
                    made = self._answered([rows[place] for place in places], sampling, network)
                    answers.update(zip([indices[place] for place in places], made, strict=True))
        return [answers[i] for i in range(len(chats))]

    def logprobs(self, chats: Sequence[Chat], adapters: Sequence[str | None]) -> list[TokenLogprobs]:
        """The log-probabilities of each chat's last assistant turn under the adapter of its place."""
        found: dict[int, TokenLogprobs] = {}
        for (name, network), indices in self._by_model(adapters).items():
            if name is not None:
                given = self._apart[name].logprobs([chats[i] for i in indices])
                found.update(zip(indices, given, strict=True))
                continue
            rows = [self._row(chats[i], adapters[i], answer=True) for i in indices]
            for places in in_batches([row.tokens for row in rows], self.batch_size // 4 or 1):
                made = self._logprobs([rows[place] for place in places], network)
                found.update(zip([indices[place] for place in places], made, strict=True))
        return [found[i] for i in range(len(chats))]

    def _check(self, name: str) -> None:
        if name not in self.names:
            raise UserError(f"no adapter {name!r} is loaded.", near(name, self.names))

    def _by_model(self, adapters: Sequence[str | None]) -> dict[tuple[str | None, str | None], list[int]]:
        """Places by who answers them: an adapter that is asked apart, or a network in which many are asked together.

        Rows of the base are asked with the first network; where there is none, without one.
        """
        found: dict[tuple[str | None, str | None], list[int]] = {}
        for place, name in enumerate(adapters):
            if name is not None:
                self._check(name)
            network = next(iter(self._mixed), None) if name is None else self._network_of.get(name)
            found.setdefault((name if name in self._apart else None, network), []).append(place)
        return found

    def _row(self, chat: Chat, name: str | None, *, answer: bool) -> _Row:
        decoding = self._decoding[name or NONE]
        tokens = render(decoding.tokenizer, chat, answer=answer)
        decoding.refuse_too_long([tokens])
        return _Row(name or NONE, tokens, decoding)

    def _answered(self, rows: Sequence[_Row], sampling: Sampling, network: str | None) -> list[Answer]:
        """The answers of rows that are decoded alike but for their length, which is cut to each row's own."""
        import torch

        limits = [row.decoding.max_tokens(sampling, len(row.tokens.ids)) for row in rows]
        prompts = [row.tokens.ids for row in rows]
        with torch.inference_mode(), self._precision.autocast():
            also = {"generation_config": copy.deepcopy(rows[0].decoding.config), **_names_of(rows, network)}
            made = answer_ids(self._network(network), prompts, rows[0].decoding, sampling, max(limits), also)
        return [
            row.decoding.answer(row.tokens.ids, ids[:limit], sampling)
            for row, ids, limit in zip(rows, made, limits, strict=True)
        ]

    def _logprobs(self, rows: Sequence[_Row], network: str | None) -> list[TokenLogprobs]:
        import torch

        device = self.loaded.model.device.type
        ids_BT, there_BT = left_padded([row.tokens.ids for row in rows], rows[0].decoding.pad, device)
        with torch.inference_mode(), self._precision.autocast():
            logits = logits_of(self._network(network), ids_BT, there_BT, **_names_of(rows, network))
        logps = logits[:, :-1].float().log_softmax(-1).gather(2, ids_BT[:, 1:, None])[..., 0]
        return [row.decoding.of_turn(row.tokens, logps[line].tolist()) for line, row in enumerate(rows)]

    def _network(self, network: str | None) -> PreTrainedModel:
        return self.loaded.model if network is None else cast("PreTrainedModel", self._mixed[network])


@dataclass(frozen=True)
class _Row:
    """A rendered chat, and the adapter that is asked."""

    name: str
    tokens: Tokens
    decoding: Decoding

    def way(self, sampling: Sampling) -> object:
        """What rows of one batch have in common: decoding settings, and the length where the room cuts it."""
        config = {} if self.decoding.config is None else self.decoding.config.to_dict()
        wanted = self.decoding.max_tokens(sampling, 0)
        limit = self.decoding.max_tokens(sampling, len(self.tokens.ids))
        settings = sorted((name, str(value)) for name, value in config.items() if name != "max_new_tokens")
        return (tuple(settings), self.decoding.pad, None if limit == wanted else limit)


@dataclass(frozen=True)
class _One:
    """An adapter among those that are asked together, as a model."""

    name: str
    among: AdaptedModels

    can = frozenset({"generate", "logprobs"})

    def generate(self, chats: Sequence[Chat], sampling: Sampling) -> list[Answer]:
        """One answer for each chat, in order."""
        return self.among.generate(chats, sampling, [self.name] * len(chats))

    def logprobs(self, chats: Sequence[Chat]) -> list[TokenLogprobs]:
        """The log-probabilities of the last assistant turn of each chat."""
        return self.among.logprobs(chats, [self.name] * len(chats))


def _names_of(rows: Sequence[_Row], network: str | None) -> dict[str, object]:
    return {} if network is None else {"adapter_names": [_inside(row.name) for row in rows]}


def _inside(name: str) -> str:
    """An adapter's name inside PEFT, which may not be a part of its own prefixes, such as `a` of `lora_`."""
    return name if name == NONE else f"adapter {name}"


def _sharing(model: PreTrainedModel) -> PreTrainedModel:
    """The same layers again around the same weights, so that an adapter put into them leaves the given ones alone."""
    weights: dict[int, Any] = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    return copy.deepcopy(model, weights)
