"""The model folder that a training leaves behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tunesmith.models.adapter_folder import write_adapter
from tunesmith.train.device import Device
from tunesmith.train.devices import here
from tunesmith.train.job import Job
from tunesmith.train.start import Start, quiet, start_from

if TYPE_CHECKING:
    from peft import PeftModel


def write_folder(
    out: Path,
    start: Start,
    *,
    max_new_tokens: int,
    curve: list[dict[str, float]],
    repetition_penalty: float | None = None,
) -> None:
    """Fill `out`: config, safetensors, tokenizer with its chat template, decoding settings, and the curve.

    Of an adapted model it is the adapter alone, with the way from there to its base. Without a repetition_penalty the
    model keeps the one it came with. Of several processes only the main one writes.
    """
    if not here().is_main:
        return
    from transformers import GenerationConfig

    model = start.model
    out.mkdir(parents=True, exist_ok=True)
    model.config.use_cache = True
    before = getattr(model.generation_config, "repetition_penalty", None) or 1.0
    stops = stops_of(start)
    decoding = GenerationConfig(
        do_sample=False,
        repetition_penalty=before if repetition_penalty is None else repetition_penalty,
        max_new_tokens=max_new_tokens,
        eos_token_id=stops[0] if len(stops) == 1 else list(stops),
        pad_token_id=start.tokenizer.pad_token_id,
    )
    if start.adapted is not None:
        assert start.base is not None
        write_adapter(out, cast("PeftModel", model), kind=start.adapted, base=start.base, home=start.home or out)
        decoding.save_pretrained(out)
    else:
        model.generation_config = decoding
        with quiet():
            model.save_pretrained(out)
    _write_rest(out, start, curve)


def write_reward_folder(out: Path, start: Start, *, curve: list[dict[str, float]]) -> None:
    """Fill `out` with a model of one number, its tokenizer, and the curve."""
    out.mkdir(parents=True, exist_ok=True)
    with quiet():
        start.model.save_pretrained(out)
    _write_rest(out, start, curve)


def _write_rest(out: Path, start: Start, curve: list[dict[str, float]]) -> None:
    start.tokenizer.save_pretrained(out, save_jinja_files=False)
    _tidy(out)
    (out / "curve.json").write_text(json.dumps(curve, indent=1) + "\n")


def stops_of(start: Start) -> tuple[int, ...]:
    """What ends an answer: the tokenizer's stop token, and those that the model came with (Gemma's turns end so)."""
    own = cast("int", start.tokenizer.eos_token_id)
    before = getattr(start.model.generation_config, "eos_token_id", None)
    return tuple(sorted({own, *(before if isinstance(before, list) else [] if before is None else [before])}))


def _tidy(out: Path) -> None:
    """Same bytes and readable files wherever the model came from, and a tokenizer class that older engines know."""
    path = out / "tokenizer_config.json"
    config = json.loads(path.read_text())
    for private in ("is_local", "local_files_only"):
        config.pop(private, None)
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    for file in sorted(out.glob("*.safetensors")):
        shutil.copymode(path, file)


def write_start(job: Job) -> int:
    """Fill `job.out` with the model a job begins with, untrained (the arm to compare with); returns its parameters."""
    start = start_from(job, Device("cpu", bfloat16=False))
    write_folder(job.out, start, max_new_tokens=64, curve=[])
    return start.parameters
