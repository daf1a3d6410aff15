"""Our training loop beside TRL's trainers: the same model, rows, batch size, precision and attention, whole runs.

    python bench/trl_equivalence.py [--data FOLDER_WITH_train.csv] [--steps 150] [--repeats 2]

Each arm is a process of its own, start-up and preparation of the data included, arms taken in turn. `tests/train/
test_trl_equivalence.py` shows that the losses and gradients are equal; this file shows what each way costs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from tunesmith.train.job import Job, Scratch

BEGUN = time.perf_counter()
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
Row = dict[str, Any]
Inputs = dict[str, "torch.Tensor"]
BATCH = 64
PAIR_BATCH = 32


@dataclass(frozen=True)
class Seconds:
    """By the clock, and of processor time, which a loaded machine does not stretch."""

    clock: float
    processor: float


def rows_of(folder: Path | None) -> list[Row]:
    """Chats of a question and its intent: banking77's train.csv, or made ones of like length."""
    if folder is not None:
        with (folder / "train.csv").open(newline="") as file:
            found = [(line["text"], line["category"].replace("_", " ")) for line in csv.DictReader(file)]
    else:
        rng = random.Random(0)
        words = [f"{a}{b}" for a in "bcdfglmnprst" for b in ("an", "el", "ir", "ock", "um")]
        found = [(" ".join(rng.choices(words, k=rng.randint(5, 18))), f"intent {i % 77}") for i in range(10_000)]
    return [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": label}]}
        for text, label in found
    ]


def pairs_of(rows: list[Row]) -> list[Row]:
    """Pairs that prefer a capital and a full stop."""
    return [
        {
            "messages": row["messages"][:1],
            "chosen": [{"role": "assistant", "content": row["messages"][1]["content"].capitalize() + "."}],
            "rejected": row["messages"][1:],
        }
        for row in rows[:2_000]
    ]


def job_of(start: Path | Scratch, rows: list[Row], work: Path) -> Job:
    """A job without validation that says nothing."""
    from tunesmith.train.job import Job

    return Job(start, rows, [], work / "out", work / "resume", 0, lambda _: None, lambda *_: None)


def ours_sft(start: Path, rows: list[Row], steps: int, work: Path) -> None:
    """Our supervised trainer."""
    from tunesmith.train.sft import sft

    sft(job_of(start, rows, work), steps=steps, batch_size=BATCH, learning_rate=2e-3)


def ours_dpo(start: Path, rows: list[Row], steps: int, work: Path) -> None:
    """Our preference trainer."""
    from tunesmith.train.dpo import dpo

    dpo(job_of(start, pairs_of(rows), work), steps=steps, batch_size=PAIR_BATCH)


def settings(batch: int, steps: int, work: Path) -> dict[str, Any]:
    """TRL's settings, brought to ours."""
    return {
        "output_dir": str(work / "trl"), "use_cpu": True, "bf16": True, "report_to": "none", "disable_tqdm": True,
        "save_strategy": "no", "activation_checkpointing": False, "per_device_train_batch_size": batch,
        "max_steps": steps, "lr_scheduler_type": "cosine", "learning_rate": 2e-3, "adam_beta2": 0.98,
        "weight_decay": 0.1, "logging_steps": 1000, "train_sampling_strategy": "group_by_length",
    }  # fmt: skip


def trl_sft(start: Path, rows: list[Row], steps: int, work: Path, *, own_loss: bool) -> None:
    """TRL's SFTTrainer, with or without our loss at label positions only."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from tunesmith.train.batches import Batch
    from tunesmith.train.losses import sft_loss

    class Fast(SFTTrainer):
        def compute_loss(
            self, model: PreTrainedModel, inputs: Inputs, return_outputs: bool = False, num_items_in_batch: int = 0
        ) -> torch.Tensor:
            return sft_loss(model, Batch(inputs["input_ids"], inputs["attention_mask"], inputs["labels"]))

    data = [{"prompt": row["messages"][:1], "completion": row["messages"][1:]} for row in rows]
    trainer = (Fast if own_loss else SFTTrainer)(
        model=AutoModelForCausalLM.from_pretrained(start, attn_implementation="eager", dtype="float32"),
        args=SFTConfig(**settings(BATCH, steps, work)),
        train_dataset=Dataset.from_list(data),
        processing_class=AutoTokenizer.from_pretrained(start),
    )
    trainer.train()
    trainer.save_model(str(work / "out"))


def trl_dpo(start: Path, rows: list[Row], steps: int, work: Path, *, own_loss: bool) -> None:
    """TRL's DPOTrainer with precomputed references, with or without our loss at label positions only."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    from tunesmith.train.batches import IGNORED, Batch
    from tunesmith.train.losses import answer_logps
    from tunesmith.train.objective import objective_of
    from tunesmith.train.preferences import Scored

    objective = objective_of("sigmoid", beta=0.3)

    class Fast(DPOTrainer):
        def compute_loss(
            self, model: PreTrainedModel, inputs: Inputs, return_outputs: bool = False, num_items_in_batch: int = 0
        ) -> torch.Tensor:
            labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, IGNORED)
            logps, there = answer_logps(model, Batch(inputs["input_ids"], inputs["attention_mask"], labels))
            reference = torch.cat([inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]])
            tokens, nll = there.sum(dim=1), -logps.chunk(2)[0].sum(dim=1)
            mean_tokens = tokens.chunk(2)[0].float().mean().item()
            return objective(Scored(logps.sum(dim=1), reference, tokens, nll, mean_tokens)).mean()

    data = [
        {"prompt": row["messages"], **{side: row[side] for side in ("chosen", "rejected")}} for row in pairs_of(rows)
    ]
    kept = {
        name: value for name, value in settings(PAIR_BATCH, steps, work).items() if name != "train_sampling_strategy"
    }
    trainer = (Fast if own_loss else DPOTrainer)(
        model=AutoModelForCausalLM.from_pretrained(start, attn_implementation="eager", dtype="float32"),
        args=DPOConfig(
            **kept | {"learning_rate": 3e-5},
            beta=0.3,
            loss_type=["sigmoid", "sft"],
            loss_weights=[1.0, 1.0],
            precompute_ref_log_probs=True,
            precompute_ref_batch_size=64,
        ),
        train_dataset=Dataset.from_list(data),
        processing_class=AutoTokenizer.from_pretrained(start),
    )
    trainer.train()
    trainer.save_model(str(work / "out"))


ARMS: dict[str, Callable[..., None]] = {
    "sft/ours": ours_sft,
    "sft/trl, our loss": lambda *given: trl_sft(*given, own_loss=True),
    "sft/trl": lambda *given: trl_sft(*given, own_loss=False),
    "dpo/ours": ours_dpo,
    "dpo/trl, our loss": lambda *given: trl_dpo(*given, own_loss=True),
    "dpo/trl": lambda *given: trl_dpo(*given, own_loss=False),
}


def run_arm(arm: str, given: argparse.Namespace) -> None:
    """One arm, in a process of its own; prints its seconds from the start of the process' first line."""
    import torch

    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as work:
        ARMS[arm](Path(given.start), rows_of(given.data), given.steps, Path(work))
    print(json.dumps({"seconds": time.perf_counter() - BEGUN}))


def seconds_of(arm: str, steps: int, start: Path, given: argparse.Namespace) -> Seconds:
    """Seconds of one arm as its parent sees them, the interpreter's start included: the clock's and the processor's."""
    command = [sys.executable, __file__, "--arm", arm, "--start", str(start), "--steps", str(steps)]
    command += ["--threads", str(given.threads)] + (["--data", str(given.data)] if given.data else [])
    begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime
    return Seconds(round(time.perf_counter() - begun, 2), round(busy, 2))


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Seconds of every arm, arms in turn; a run of one step separates start-up from stepping."""
    whole: dict[str, list[Seconds]] = {arm: [] for arm in ARMS}
    startup: dict[str, list[Seconds]] = {arm: [] for arm in ARMS}
    with tempfile.TemporaryDirectory() as folder:
        start = prepared(Path(folder), given.data)
        for turn in range(given.repeats):
            for arm in ARMS:
                steps = given.steps if arm.startswith("sft") else given.steps // 3
                startup[arm].append(seconds_of(arm, 1, start, given))
                whole[arm].append(seconds_of(arm, steps, start, given))
                print(f"turn {turn + 1}: {arm}: {whole[arm][-1]}, one step: {startup[arm][-1]}", flush=True)
    return report(whole, startup, given)


def prepared(folder: Path, data: Path | None) -> Path:
    """A random 1M model that all arms start from."""
    from tunesmith.train.folder import write_start
    from tunesmith.train.job import Scratch

    write_start(replace(job_of(Scratch("1M"), rows_of(data), folder), out=folder / "start"))
    return folder / "start"


def report(
    whole: dict[str, list[Seconds]], startup: dict[str, list[Seconds]], given: argparse.Namespace
) -> dict[str, Any]:
    """The result file: ratios of whole runs and of their steps, and every single time."""
    ratios = {}
    for method in ("sft", "dpo"):
        for other in ("trl, our loss", "trl"):
            name, ours, theirs = f"{method}: {other} / ours", f"{method}/ours", f"{method}/{other}"
            for kind in ("clock", "processor"):
                ratios[f"{name}, whole run, {kind}"] = median(whole[theirs], kind) / median(whole[ours], kind)
            ours_s, theirs_s = (
                median(whole[arm], "processor") - median(startup[arm], "processor") for arm in (ours, theirs)
            )
            ratios[f"{name}, steps only, processor"] = theirs_s / ours_s
    return {
        "ratios": {name: round(ratio, 2) for name, ratio in ratios.items()},
        "note": "other work on the machine stretches clock seconds, and processor seconds only a little",
        "whole_run": {arm: [asdict(value) for value in values] for arm, values in whole.items()},
        "one_step": {arm: [asdict(value) for value in values] for arm, values in startup.items()},
        "steps": {"sft": given.steps, "dpo": given.steps // 3},
        "batch": {"sft": BATCH, "dpo": PAIR_BATCH},
        "rows": "banking77 train" if given.data else "made",
        "machine": machine(given.threads),
    }


def median(times: list[Seconds], kind: str) -> float:
    """The median of one kind of seconds."""
    return statistics.median(getattr(time, kind) for time in times)


def machine(threads: int) -> dict[str, Any]:
    """What it ran on."""
    import torch
    import transformers
    import trl

    return {
        "processor": torch.cpu.get_capabilities().get("cpu_name", platform.processor()),
        "cores": os.cpu_count(),
        "threads": threads,
        "bfloat16": bool(torch.cpu.get_capabilities().get("avx512_bf16")),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "trl": trl.__version__,
    }


def main() -> None:
    """Measure all arms and write bench/results/trl_equivalence.json, or run one arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--arm", choices=list(ARMS))
    parser.add_argument("--start")
    given = parser.parse_args()
    if given.arm:
        run_arm(given.arm, given)
        return
    result = measure(given)
    path = Path(__file__).parent / "results" / "trl_equivalence.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["ratios"], indent=2))


if __name__ == "__main__":
    main()
