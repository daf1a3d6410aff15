"""What a reward model begins with: the body of any checkpoint, and a head of one number."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tunesmith.core.errors import UserError
from tunesmith.models.adapter_folder import VIRTUAL, is_adapter, read_adapter, wrap
from tunesmith.models.merge import merge_adapter
from tunesmith.models.reward_model import is_reward_model
from tunesmith.train.adapters import ADAPTERS, LOW_RANK, check, count_all
from tunesmith.train.device import count_parameters
from tunesmith.train.devices import here
from tunesmith.train.job import Job
from tunesmith.train.loop import trained_weights
from tunesmith.train.start import Start, start_from

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def reward_start(job: Job) -> Start:
    """Tokenizer and model of one number: a checkpoint's body (adapters merged into it), the head drawn by the seed.

    A reward model's own head is trained further. With an adapter, that and the head alone are trained. Raises UserError
    for what cannot be merged and for models that transformers knows no such head of.
    """
    _check_adapter(job)
    begun = Path(job.start) if isinstance(job.start, Path) else None
    folder = _merged_base(job, begun) if begun is not None and is_adapter(begun) else None
    plain = replace(job, start=folder or job.start, adapter=None)
    start = start_from(plain)
    if folder is not None:
        shutil.rmtree(folder)
    model = _with_head(start, job.seed)
    if begun is not None and is_reward_model(begun):
        _take_head(model, begun)
        job.say("goes on with the head of the reward model that it starts from")
    model.train()
    start = replace(start, model=model, parameters=count_parameters(model))
    return _adapted(start, job) if job.adapter else replace(start, trained=_count_trained(model))


def _check_adapter(job: Job) -> None:
    kind = job.adapter.kind if job.adapter else None
    if kind is not None and kind not in LOW_RANK[:-1]:
        raise UserError(
            f"A reward model cannot be trained as a {kind} adapter: it is merged into its base in the end.",
            f"Take one of {', '.join(LOW_RANK[:-1])}, or leave adapter: out.",
        )
    if isinstance(job.start, Path) and is_adapter(job.start) and read_adapter(job.start).kind in VIRTUAL:
        raise UserError(
            f"A reward model cannot start from a {read_adapter(job.start).kind} adapter: it is no weights of its base.",
            "Start from the base, or from a lora adapter.",
        )


def _merged_base(job: Job, folder: Path) -> Path:
    """The model that an adapter's checkpoint is with its base, in a folder for as long as it is being loaded."""
    out = job.resume / f"merged-{here().rank}"
    shutil.rmtree(out, ignore_errors=True)
    job.say(f"the adapter it starts from is merged into its base: {merge_adapter(folder, out)}")
    return out


def _with_head(start: Start, seed: int) -> PreTrainedModel:
    """The body of a model under a new head, in transformers' class for it."""
    import torch
    from transformers import AutoModelForSequenceClassification

    causal = start.model
    config = causal.config
    config.num_labels = 1
    config.pad_token_id = start.pad
    try:
        with torch.device("meta"):
            model = AutoModelForSequenceClassification.from_config(config)
    except ValueError as error:
        raise _unknown(type(causal).__name__) from error
    if not isinstance(getattr(model, "score", None), torch.nn.Linear):
        raise _unknown(type(causal).__name__)
    setattr(model, model.base_model_prefix, causal.base_model)
    # float32 whatever the body is in: a reward is compared to the last digit
    head = torch.nn.Linear(model.score.in_features, 1, bias=False, dtype=torch.float32)
    random = torch.Generator().manual_seed(seed)
    torch.nn.init.normal_(head.weight, std=float(getattr(config, "initializer_range", 0.02)), generator=random)
    model.score = head.to(causal.device)
    model.config = config
    return cast("PreTrainedModel", model)


def _unknown(name: str) -> UserError:
    return UserError(
        f"transformers has no reward model of a {name}: none whose body a linear head of one number stands on.",
        "Start from another model, such as a Llama or a Qwen.",
    )


def _take_head(model: PreTrainedModel, folder: Path) -> None:
    import torch
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            if "score.weight" in file.keys():  # noqa: SIM118  # a safetensors file is no mapping
                with torch.no_grad():
                    cast("Any", model).score.weight.copy_(file.get_tensor("score.weight"))
                return
    raise UserError(f"{folder} has no head 'score'.", "Start from the model beneath it.")


def _adapted(start: Start, job: Job) -> Start:
    import torch

    assert job.adapter is not None
    check(job.adapter)
    torch.manual_seed(job.seed)
    config = cast("Any", ADAPTERS[job.adapter.kind](**job.adapter.options))
    config.task_type, config.modules_to_save = "SEQ_CLS", ["score"]
    try:
        model = wrap(start.model, config)
    except ValueError as error:  # PEFT's word for layers that this model does not have
        raise UserError(
            f"adapter {job.adapter.kind} does not fit this model: {error}", "Name its layers in targets:."
        ) from error
    model.train()
    whole = cast("PreTrainedModel", model)
    return replace(
        start, model=whole, parameters=count_all(model), trained=_count_trained(whole), adapted=job.adapter.kind
    )


def _count_trained(model: PreTrainedModel) -> int:
    return sum(weight.numel() for weight in trained_weights(model))


def merged(start: Start, job: Job) -> Start:
    """The start with an adapter that was trained beside it merged into the body; without one, as it is."""
    if start.adapted is None:
        return start
    job.say(f"the {start.adapted} adapter is merged into its base, so that the reward model is one folder")
    model = cast("PreTrainedModel", cast("Any", start.model).merge_and_unload(safe_merge=True))
    return replace(start, model=model, adapted=None)
