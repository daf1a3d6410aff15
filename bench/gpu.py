"""Our training on one GPU: tokens a second, MFU and peak memory, beside plain TRL. Nothing is downloaded.

    python bench/gpu.py [--minutes 9.5] [--shapes qwen2.5-0.5b,llama-3.1-8b] [--out bench/results/gpu.json]
    python bench/gpu.py --device cpu --tiny          # the same code on a processor, small: what the test runs

Models of random weights in published shapes, full tuning and LoRA, on made rows of token ids. The lengths follow a
lognormal with a median of 350 tokens, cut at 2,048, as chats do; every token is a label, so that the head is computed
at every place and MFU can be compared with published numbers. First come ours as chosen by default and TRL for each
shape, then variants while time is left. What does not fit is skipped, and the file says so.

Operations a token: 6 (body + head) + 6 x layers x width x mean row length; with LoRA 4 (body + head) + 6 x adapter +
the same attention. MFU = tokens a second x operations a token / the dense bfloat16 peak of costs/peaks.yaml; on a
processor the peak is measured. Not run on a GPU so far: no number of it is known.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tunesmith.train.corpus import Rendered
    from tunesmith.train.device import Device
    from tunesmith.train.start import Start

# As in config.json of each published model (Qwen2.5 technical report, arXiv 2412.15115; The Llama 3 Herd of Models,
# arXiv 2407.21783, and the model card of Llama 3.2), read from memory of those files and checked by parameter count.
SHAPES: dict[str, dict[str, Any]] = {
    "qwen2.5-0.5b": {
        "model_type": "qwen2", "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151936, "tie_word_embeddings": True,
    },
    "llama-3.2-1b": {
        "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 128256, "tie_word_embeddings": True,
    },
    "qwen2.5-3b": {
        "model_type": "qwen2", "hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16,
        "num_key_value_heads": 2, "intermediate_size": 11008, "vocab_size": 151936, "tie_word_embeddings": True,
    },
    "llama-3.1-8b": {
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "tie_word_embeddings": False,
    },
}  # fmt: skip
PARAMETERS = {"qwen2.5-0.5b": 494e6, "llama-3.2-1b": 1.236e9, "qwen2.5-3b": 3.086e9, "llama-3.1-8b": 8.030e9}
TINY: dict[str, dict[str, Any]] = {
    "tiny": {
        "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 512, "tie_word_embeddings": True,
    }
}  # fmt: skip
TARGETS = {"qwen2.5-0.5b": 0.30, "llama-3.2-1b": 0.30, "qwen2.5-3b": 0.40, "llama-3.1-8b": 0.40}
LONGEST, MEDIAN, SPREAD = 2048, 350, 0.8
RESULT = Path(__file__).parent / "results" / "gpu.json"


@dataclass(frozen=True)
class Variant:
    """A way to train a shape."""

    shape: str
    side: str = "ours"
    adapter: bool = False
    speed: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For people."""
        options = [f"{key} {value}" for key, value in self.speed.items()]
        return ", ".join([self.shape, self.side, "LoRA" if self.adapter else "full", *options])


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    device: str
    longest: int
    median: int
    rows: int
    tokens: int  # a step
    seconds: float  # of timed steps
    warm: int  # steps before


@dataclass(frozen=True)
class Took:
    """Timed steps."""

    steps: int
    seconds: float
    tokens: int


def variants_of(shapes: Sequence[str]) -> list[Variant]:
    """What is measured, the most telling first."""
    first = [Variant(shape, side, adapter) for shape in shapes for adapter in (False, True) for side in ("ours", "trl")]
    speeds: list[dict[str, Any]] = [
        {"compile": True},
        {"attention": "sdpa", "layout": "buckets"},
        {"attention": "flex_attention", "layout": "packed", "precision": "bfloat16"},
        {"precision": "bfloat16"},
        {"checkpointing": True},
        {"attention": "sdpa", "layout": "buckets", "compile": True},
        {"attention": "sdpa", "layout": "packed"},
    ]
    more = [Variant(shape, "ours", False, speed) for speed in speeds for shape in shapes]
    return [*first, *more, *(Variant(shape, "ours", True, {"compile": True}) for shape in shapes)]


def rows_of(vocabulary: int, scale: Scale) -> Rendered:
    """Made rows of token ids, all of them to be learnt, with the lengths of chats."""
    from tunesmith.train.corpus import Corpus, Rendered

    rng = np.random.default_rng(0)
    drawn = rng.lognormal(math.log(scale.median), SPREAD, scale.rows)
    lengths = np.clip(drawn, 8, scale.longest).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    ids = rng.integers(3, vocabulary, int(ends[-1]), dtype=np.int32)
    side = Corpus(ids, np.ones(len(ids), dtype=np.uint8), ends, lengths - 1)
    return Rendered((side,), np.ones(scale.rows), np.arange(scale.rows), 0, 0)


def model_of(shape: dict[str, Any], device: Device, longest: int) -> Any:  # noqa: ANN401  # a transformers model
    """Random weights, made on the device."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    known = {key: value for key, value in shape.items() if key != "model_type"}
    config = AutoConfig.for_model(
        shape["model_type"], **known, max_position_embeddings=longest, bos_token_id=None, eos_token_id=1, pad_token_id=0
    )
    torch.manual_seed(0)
    with torch.device(device.name):
        return AutoModelForCausalLM.from_config(config, dtype=getattr(torch, device.weights))


def device_of(variant: Variant, shapes: dict[str, dict[str, Any]], scale: Scale) -> Device:
    """The device at the precision that was given, or that is chosen for this size."""
    from tunesmith.train.device import Device, pick_device, usual_precision

    device = Device("cpu", bfloat16=False) if scale.device == "cpu" else pick_device()
    if given := variant.speed.get("precision"):
        return device.at(given)
    usual = usual_precision(device, int(PARAMETERS.get(variant.shape, 0)), adapter=variant.adapter)
    return device.at(str(usual.value))


def start_of(variant: Variant, shape: dict[str, Any], device: Device, scale: Scale) -> Start:
    """What a training begins with, without a tokenizer."""
    from tunesmith.train.adapters import attach
    from tunesmith.train.budget import Chosen
    from tunesmith.train.device import count_parameters
    from tunesmith.train.job import Adapter
    from tunesmith.train.loop import trained_weights
    from tunesmith.train.start import Start

    model = model_of(shape, device, scale.longest)
    if variant.adapter:
        model = attach(model, Adapter("lora", {}), seed=0, words=lambda *_: iter(()))
    model.train()
    trained = sum(weight.numel() for weight in trained_weights(model))
    tokenizer: Any = SimpleNamespace(pad_token_id=0)
    kind = "lora" if variant.adapter else None
    return Start(tokenizer, model, device, Chosen(lambda _: None), count_parameters(model), trained, kind)


def ours(variant: Variant, shape: dict[str, Any], device: Device, scale: Scale) -> dict[str, Any]:
    """Steps of our supervised trainer."""
    from tunesmith.train.batches import feed_of
    from tunesmith.train.devices import here
    from tunesmith.train.loop import Settings, _optimizer, _step
    from tunesmith.train.plan import Wishes, planned
    from tunesmith.train.sft import _loss, _parts
    from tunesmith.train.spread import laid_out

    rows = rows_of(shape["vocab_size"], scale)
    start = start_of(variant, shape, device, scale)
    size = max(1, round(scale.tokens / float(rows.lengths.mean())))
    wishes = Wishes(**{key: value for key, value in variant.speed.items() if key != "precision"})
    start = planned(start, rows.lengths, batch=size, steps=1, wishes=wishes)
    settings = Settings(steps=10**6, learning_rate=1e-5)
    alone = laid_out(start.model, here())
    optimizer, meter = _optimizer(start.model, settings), start.meter(rows)
    feed = feed_of(partial(_parts, rows, start), rows.lengths, size=size, weights=rows.weights, seed=0)(0)
    losses: list[float] = []

    def step() -> int:
        parts, counts = next(feed), [0]

        def counted() -> Any:  # noqa: ANN401  # batches
            for part in parts:
                counts[0] += part.there
                yield part

        taken = _step(
            start.model, alone, optimizer, counted(), lambda model, batch: (_loss(model, batch, device, 0.0), {}),
            settings, len(losses), meter,
        )  # fmt: skip
        losses.append(float(taken["loss"]))
        return counts[0]

    took = timed(step, scale)
    chosen = {name: str(setting.value) for name, setting in start.chosen.settings.items()}
    return {**told(took, start, rows, device), "chosen": chosen, "rows_a_step": size, "loss": losses[-1]}


def told(took: Took, start: Start, rows: Rendered, device: Device) -> dict[str, Any]:
    """Speed and MFU of timed steps."""
    from tunesmith.train.peak import peak_flops

    work, peak = start.meter(rows).flops_per_token, peak_flops(device)
    rate = took.tokens / took.seconds
    return {
        "tokens_a_second": round(rate, 1),
        "mfu": round(rate * work / peak, 4) if work and peak else None,
        "ms_a_step": round(1000 * took.seconds / took.steps, 1),
        "tokens_a_step": round(took.tokens / took.steps),
        "steps": took.steps,
        "flops_a_token": work,
        "parameters": start.parameters,
        "trained": start.trained,
    }


def timed(step: Callable[[], int], scale: Scale) -> Took:
    """Steps for some seconds, after a warm-up; the device is waited for at both ends."""
    for _ in range(scale.warm):
        step()
    wait(scale.device)
    begun, steps, tokens = time.perf_counter(), 0, 0
    while time.perf_counter() - begun < scale.seconds or steps < 2:
        tokens += step()
        steps += 1
    wait(scale.device)
    return Took(steps, time.perf_counter() - begun, tokens)


def wait(device: str) -> None:
    """Until all that was launched is done."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def trl(variant: Variant, shape: dict[str, Any], device: Device, scale: Scale) -> dict[str, Any]:
    """Plain TRL: SFTTrainer with packing and otherwise its defaults (checkpointing on), in our precision of weights."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from transformers.utils import is_flash_attn_2_available
    from trl import SFTConfig, SFTTrainer

    rows = rows_of(shape["vocab_size"], scale)
    model = model_of(shape, device, scale.longest)
    model.set_attn_implementation("flash_attention_2" if is_flash_attn_2_available() else "sdpa")
    counts = {"tokens": 0, "steps": 0, "begun": 0.0, "ended": 0.0}

    class Counting(SFTTrainer):  # type: ignore[misc]  # trl ships no types
        def compute_loss(self, model: Any, inputs: Any, *given: Any, **more: Any) -> Any:  # noqa: ANN401  # as in TRL
            if counts["begun"]:
                mask = inputs.get("attention_mask")
                counts["tokens"] += int(inputs["input_ids"].numel() if mask is None else mask.sum())
            return super().compute_loss(model, inputs, *given, **more)

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:  # noqa: ANN401  # as there
            if state.global_step < scale.warm:
                return
            wait(scale.device)
            now = time.perf_counter()
            if not counts["begun"]:
                counts["begun"] = now
                return
            counts["ended"], counts["steps"] = now, counts["steps"] + 1
            control.should_training_stop = now - counts["begun"] >= scale.seconds and counts["steps"] >= 2

    data = [{"input_ids": row.ids.tolist()} for row in rows.sides[0].rows(np.arange(len(rows)))]
    with tempfile.TemporaryDirectory() as work:
        trainer = Counting(
            model=model,
            args=SFTConfig(
                output_dir=work, packing=True, max_length=scale.longest, bf16=device.bfloat16, max_steps=10_000,
                per_device_train_batch_size=max(1, scale.tokens // scale.longest), report_to="none", disable_tqdm=True,
                save_strategy="no", logging_strategy="no", use_cpu=scale.device == "cpu",
            ),
            train_dataset=Dataset.from_list(data),
            processing_class=tokenizer_of(shape["vocab_size"]),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear") if variant.adapter else None,
            callbacks=[Clock()],
        )  # fmt: skip
        trainer.train()
    took = Took(int(counts["steps"]), counts["ended"] - counts["begun"], int(counts["tokens"]))
    return told(took, _account(trainer.model, device, variant), rows, device)


def _account(model: Any, device: Device, variant: Variant) -> Start:  # noqa: ANN401  # a transformers model
    from tunesmith.train.budget import Chosen
    from tunesmith.train.device import count_parameters
    from tunesmith.train.loop import trained_weights
    from tunesmith.train.start import Start

    trained = sum(weight.numel() for weight in trained_weights(model))
    none: Any = None
    kind = "lora" if variant.adapter else None
    return Start(none, model, device, Chosen(lambda _: None), count_parameters(model), trained, kind)


def tokenizer_of(vocabulary: int) -> Any:  # noqa: ANN401  # a transformers tokenizer
    """A tokenizer of nothing but numbers: TRL asks for one and does not use it."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<eos>": 1, "<unk>": 2} | {str(i): i for i in range(3, min(vocabulary, 1000))}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def measured(variant: Variant, shapes: dict[str, dict[str, Any]], scale: Scale) -> dict[str, Any]:
    """One variant's numbers, or why there are none."""
    import torch

    from tunesmith.core.errors import UserError

    begun = time.perf_counter()
    if scale.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    found: dict[str, Any]
    try:
        device = device_of(variant, shapes, scale)
        side = ours if variant.side == "ours" else trl
        found = {"precision": str(device), "weights": device.weights}
        found |= side(variant, shapes[variant.shape], device, scale)
        if scale.device == "cuda":
            found["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        if variant.shape in TARGETS and found.get("mfu"):
            found["mfu_target"] = TARGETS[variant.shape]
    except UserError as error:
        found = {"skipped": error.problem}
    except torch.OutOfMemoryError as error:
        found = {"skipped": f"out of memory: {str(error).splitlines()[0]}"}
    gc.collect()
    torch._dynamo.reset()
    if scale.device == "cuda":
        torch.cuda.empty_cache()
    return {"variant": variant.name, **asdict(variant), **found, "spent_s": round(time.perf_counter() - begun, 1)}


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All variants that the time allows."""
    import torch
    import transformers

    begun = time.perf_counter()
    shapes = TINY if given.tiny else {name: SHAPES[name] for name in given.shapes.split(",")}
    scale = (
        Scale(given.device, 64, 20, 64, 256, 0.05, 1)
        if given.tiny
        else Scale(given.device, LONGEST, MEDIAN, 2_000, given.tokens, given.seconds, 3)
    )
    wanted = [variant for variant in variants_of(list(shapes)) if not _left_out(variant, given)]
    results: list[dict[str, Any]] = []
    for variant in wanted:
        # The slowest of this shape so far, half as much again: what has begun is not cut off.
        likely = max((one["spent_s"] for one in results if one["shape"] == variant.shape), default=20.0) * 1.5
        left = given.minutes * 60 - (time.perf_counter() - begun)
        if left < min(likely, 90.0) and not given.tiny:
            results.append({"variant": variant.name, **asdict(variant), "skipped": "no time left", "spent_s": 0.0})
            continue
        results.append(measured(variant, shapes, scale))
        print(json.dumps(results[-1]), flush=True)
    name = torch.cuda.get_device_name() if given.device == "cuda" else platform.processor()
    return {
        "device": name,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "operations_a_token": "6 (body + head) + 6 layers x width x mean row length; LoRA: 4 (body + head) + 6 adapter",
        "labels": "every token",
        "scale": asdict(scale),
        "minutes": round((time.perf_counter() - begun) / 60, 1),
        "results": results,
    }


def _left_out(variant: Variant, given: argparse.Namespace) -> bool:
    """On a processor there is neither compiling nor flex attention worth the time."""
    on_gpu_only = variant.speed.get("compile") or variant.speed.get("attention") == "flex_attention"
    return given.device == "cpu" and bool(on_gpu_only)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a tiny shape and few steps")
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--tokens", type=int, default=16_384, help="of a step, about")
    parser.add_argument("--seconds", type=float, default=6.0, help="of timed steps a variant")
    parser.add_argument("--minutes", type=float, default=9.5)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args(arguments)
    if given.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            sys.exit("There is no GPU here. `--device cpu --tiny` runs the same code on a processor.")
    result = measure(given)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
