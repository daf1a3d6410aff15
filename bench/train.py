"""Our training beside TRL's trainers on a CPU: the same model, rows, loss tokens and batch, in one run.

    python bench/train.py [--data FOLDER_WITH_train.csv] [--sizes 1M,4M] [--rounds 5] [--steps 5] [--whole 60]

Steps: all arms live in one process and take turns, `--steps` whole steps each a round (batch to weights; no start-up).
Whole runs: each arm is a process of its own, interpreter, imports and preparation of the data included.
`trl, like for like` is TRL's trainer given what ours does by default: loss on the answers only, rows grouped by length,
no checkpointing, TRL's own precision (bfloat16) and eager attention. `trl, at our precision` has our precision and
attention as well, `trl, stock` its defaults (batch 8, loss on all tokens, checkpointing): another amount of work, so
compare its rows a second only. That losses and gradients are
equal is shown by `tests/train/test_trl_equivalence.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timing import in_turns, ratio, run

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from tunesmith.train.batches import Batch
    from tunesmith.train.job import Job, Scratch

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
Row = dict[str, Any]
BATCH = 64
PAIR_BATCH = 32
WORDS = 4_000
RESULT = Path(__file__).parent / "results" / "train.json"


@dataclass(frozen=True)
class Took:
    """Seconds by the clock and of processor time, which a loaded machine stretches less; rows and labels done."""

    clock: float
    processor: float
    rows: int
    labels: int


def rows_of(folder: Path | None, most: int | None = None) -> list[Row]:
    """Chats of a question and its intent: banking77's train.csv, or made ones of like length; at most so many."""
    if folder is not None:
        with (folder / "train.csv").open(newline="") as file:
            found = [(line["text"], line["category"].replace("_", " ")) for line in csv.DictReader(file)]
    else:
        rng = random.Random(0)
        parts = [a + b for a in "bcdfglmnprstvwz" for b in ("an", "el", "ir", "ock", "um", "ey", "ost")]
        words = ["".join(rng.choices(parts, k=rng.randint(1, 3))) for _ in range(WORDS)]
        often = [1 / (rank + 1) for rank in range(WORDS)]  # as words are in texts
        labels = [" ".join(rng.choices(words, k=rng.randint(2, 5))) for _ in range(77)]
        found = [(" ".join(rng.choices(words, often, k=rng.randint(5, 18))), labels[i % 77]) for i in range(10_000)]
    return [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": label}]}
        for text, label in found[:most]
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


def stepper_of_ours(folder: Path, rows: list[Row], work: Path, **speed: str) -> Iterator[tuple[int, int]]:
    """Takes a step of our supervised trainer for each value asked for: rows and labels of the step."""
    from tunesmith.train.batches import feed_of
    from tunesmith.train.devices import here
    from tunesmith.train.loop import Settings, _optimizer, _step
    from tunesmith.train.meter import Meter
    from tunesmith.train.plan import Wishes, planned
    from tunesmith.train.sft import _loss, _parts, rendered
    from tunesmith.train.spread import laid_out
    from tunesmith.train.start import start_from

    given: dict[str, Any] = dict(speed)
    job = job_of(folder, rows, work)
    start = start_from(job, precision=given.pop("precision", None))
    learnt = rendered(job, rows, start, start.room, "train")
    start = planned(start, learnt.lengths, batch=BATCH, steps=1, wishes=Wishes(**given))
    settings = Settings(steps=1_000, learning_rate=2e-3)
    alone = laid_out(start.model, here())
    optimizer = _optimizer(start.model, settings)
    feed = feed_of(partial(_parts, learnt, start), learnt.lengths, size=BATCH, weights=learnt.weights, seed=0)

    def loss(model: PreTrainedModel, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return _loss(model, batch, start.device, 0.0), {}

    for step, parts in enumerate(feed(0)):
        held = list(parts)
        _step(start.model, alone, optimizer, held, loss, settings, step, Meter())
        yield held[0].whole.rows, held[0].whole.tokens


def stepper_of_trl(folder: Path, rows: list[Row], work: Path, *, kind: str) -> Iterator[tuple[int, int]]:
    """Takes a step of TRL's supervised trainer for each value asked for: rows and labels of the step.

    Its own `train` runs in a thread and waits at the end of each step, so that all that it does is in the time.
    """
    import torch
    from transformers import TrainerCallback

    go, done, failed = threading.Semaphore(0), threading.Semaphore(0), []
    counts = [0, 0]

    class Turns(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_train_begin(self, *given: object, **more: object) -> None:
            go.acquire()

        def on_step_end(self, *given: object, **more: object) -> None:
            done.release()
            go.acquire()

    trainer = trl_sft(folder, rows, 1_000, work, kind=kind)
    trainer.add_callback(Turns())
    compute_loss = trainer.compute_loss

    def counted(model: Any, inputs: Any, *given: Any, **more: Any) -> Any:  # noqa: ANN401  # as in TRL
        counts[:] = len(inputs["labels"]), int((inputs["labels"][:, 1:] != -100).sum())
        return compute_loss(model, inputs, *given, **more)

    def run_trainer() -> None:
        torch.set_num_threads(threads)
        try:
            trainer.train()
        except BaseException as error:
            failed.append(error)
        done.release()

    trainer.compute_loss = counted
    threads = torch.get_num_threads()
    threading.Thread(target=run_trainer, daemon=True).start()
    while True:
        go.release()
        done.acquire()
        if failed:
            raise failed[0]
        yield counts[0], counts[1]


def trl_sft(folder: Path, rows: list[Row], steps: int, work: Path, *, kind: str) -> Any:  # noqa: ANN401  # a trainer
    """TRL's SFTTrainer: `like for like`, `at our precision` or `stock`."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from tunesmith.train.device import pick_device

    ours = kind == "at our precision" and not pick_device().bfloat16
    given = {
        "output_dir": str(work / "trl"), "use_cpu": True, "report_to": "none", "disable_tqdm": True,
        "save_strategy": "no", "max_steps": steps,
    }  # fmt: skip
    data = [{"messages": row["messages"]} for row in rows]
    if kind != "stock":
        given |= {
            "assistant_only_loss": True,  # by the template's own markers, as ours: with prompt and completion, one more
            "bf16": not ours, "activation_checkpointing": False, "per_device_train_batch_size": BATCH,
            "lr_scheduler_type": "cosine", "learning_rate": 2e-3, "adam_beta2": 0.98, "logging_steps": 1000,
            "train_sampling_strategy": "group_by_length",
        }  # fmt: skip
    attention = {} if kind == "stock" else {"attn_implementation": "sdpa" if ours else "eager"}
    return SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype="float32", **attention),
        args=SFTConfig(**given),
        train_dataset=Dataset.from_list(data),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )


def trl_dpo(folder: Path, rows: list[Row], steps: int, work: Path) -> Any:  # noqa: ANN401  # a trainer
    """TRL's DPOTrainer with the anchor and precomputed references, as ours."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    sides = ("chosen", "rejected")
    data = [{"prompt": row["messages"], **{side: row[side] for side in sides}} for row in pairs_of(rows)]
    return DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype="float32"),
        args=DPOConfig(
            output_dir=str(work / "trl"), use_cpu=True, bf16=True, report_to="none", disable_tqdm=True,
            save_strategy="no", activation_checkpointing=False, per_device_train_batch_size=PAIR_BATCH, max_steps=steps,
            logging_steps=1000, learning_rate=3e-5, beta=0.3, loss_type=["sigmoid", "sft"], loss_weights=[1.0, 1.0],
            precompute_ref_log_probs=True, precompute_ref_batch_size=64,
        ),
        train_dataset=Dataset.from_list(data),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )  # fmt: skip


def quiet() -> None:
    """No progress bars of the libraries between ours."""
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()


def whole_run(arm: str, folder: Path, rows: list[Row], steps: int, work: Path) -> None:
    """A training from its start to the written folder."""
    if arm == "sft/ours":
        from tunesmith.train.sft import sft

        sft(job_of(folder, rows, work), steps=steps, batch_size=BATCH, learning_rate=2e-3)
    elif arm == "dpo/ours":
        from tunesmith.train.dpo import dpo

        dpo(job_of(folder, pairs_of(rows), work), steps=steps, batch_size=PAIR_BATCH)
    else:
        made = trl_sft(folder, rows, steps, work, kind="like for like") if arm == "sft/trl" else None
        trainer = made or trl_dpo(folder, rows, steps, work)
        trainer.train()
        trainer.save_model(str(work / "out"))


STEPS: dict[str, Callable[..., Iterator[tuple[int, int]]]] = {
    "ours": stepper_of_ours,
    "trl, like for like": partial(stepper_of_trl, kind="like for like"),
    "trl, at our precision": partial(stepper_of_trl, kind="at our precision"),
    "trl, stock": partial(stepper_of_trl, kind="stock"),
    "ours, float32, sdpa": partial(stepper_of_ours, precision="float32", attention="sdpa"),
    "ours, float32, eager": partial(stepper_of_ours, precision="float32", attention="eager"),
    "ours, mixed, sdpa": partial(stepper_of_ours, precision="mixed", attention="sdpa"),
    "ours, mixed, eager": partial(stepper_of_ours, precision="mixed", attention="eager"),
    "ours, packed": partial(stepper_of_ours, layout="packed"),
}
WHOLE = ("sft/ours", "sft/trl", "dpo/ours", "dpo/trl")


def some_steps(stepper: Iterator[tuple[int, int]], steps: int) -> Took:
    """The time of some steps."""
    clock, processor = time.perf_counter(), time.process_time()
    counts = [next(stepper) for _ in range(steps)]
    spent = time.perf_counter() - clock, time.process_time() - processor
    return Took(*spent, *(sum(column) for column in zip(*counts, strict=True)))


def measure_steps(folder: Path, given: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Every arm's steps, in turns, in this process."""
    import torch

    torch.set_num_threads(given.threads)
    rows = rows_of(given.data, given.rows)
    quiet()
    arms = {name: make(folder, rows, work / name.replace("/", " ")) for name, make in STEPS.items()}
    for arm in arms.values():
        some_steps(arm, 3)
    found = in_turns({name: partial(some_steps, arm, given.steps) for name, arm in arms.items()}, given.rounds)
    others = [name for name in found if name != "ours"]
    ms = {name: [took.clock * 1000 / given.steps for took in tooks] for name, tooks in found.items()}
    rates = {name: [took.rows / took.clock for took in tooks] for name, tooks in found.items()}
    labels = {name: [took.labels / took.rows for took in tooks] for name, tooks in found.items()}
    return {
        "ms_a_step": {name: _middle(values) for name, values in ms.items()},
        "rows_a_second": {name: _middle(values) for name, values in rates.items()},
        "labels_a_row": {name: _middle(values) for name, values in labels.items()},
        "times_as_fast_as": {
            kind: {name: _ratio(found, name, kind) for name in others} for kind in ("clock", "processor")
        },
        "all": {name: [asdict(took) for took in tooks] for name, tooks in found.items()},
    }


def _middle(values: list[float]) -> float:
    return round(statistics.median(values), 1)


def _ratio(found: dict[str, list[Took]], name: str, kind: str) -> dict[str, float]:
    """How many times as fast as an arm ours is, a row: of the medians, and the least and most of one round."""
    theirs, ours = ([getattr(took, kind) / took.rows for took in found[arm]] for arm in (name, "ours"))
    return {key: round(value, 2) for key, value in zip(("median", "least", "most"), ratio(theirs, ours), strict=True)}


def measure_whole(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Whole runs as processes of their own, in turns."""

    def side(arm: str) -> Callable[[], tuple[float, float]]:
        command = [sys.executable, __file__, "--arm", arm, "--start", str(folder), "--whole", str(given.whole)]
        command += ["--threads", str(given.threads)] + (["--data", str(given.data)] if given.data else [])
        command += ["--rows", str(given.rows)] if given.rows else []

        def seconds() -> tuple[float, float]:
            ended = run(command, cores=given.threads)
            return ended.seconds, ended.processor_s

        return seconds

    found = in_turns({arm: side(arm) for arm in WHOLE}, given.repeats)
    ratios = {}
    for method in ("sft", "dpo"):
        for at, kind in enumerate(("clock", "processor")):
            theirs, ours = ([times[at] for times in found[f"{method}/{arm}"]] for arm in ("trl", "ours"))
            ratios[f"{method}: trl / ours, {kind}"] = [round(value, 2) for value in ratio(theirs, ours)]
    return {"steps": given.whole, "ratio_median_least_most": ratios, "seconds": found}


def machine(threads: int) -> dict[str, Any]:
    """What it ran on."""
    import torch
    import transformers
    import trl

    from tunesmith.train.device import pick_device
    from tunesmith.train.peak import peak_flops

    device = pick_device()
    capabilities = torch.cpu.get_capabilities()
    return {
        "processor": capabilities.get("cpu_name", platform.processor()),
        "bfloat16": {name: bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16")},
        "gflops": {p: round((peak_flops(device.at(p)) or 0) / 1e9) for p in ("float32", "mixed")},
        "our_precision": str(device),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        **{package.__name__: package.__version__ for package in (torch, transformers, trl)},
    }


def measure(given: argparse.Namespace) -> None:
    """Steps and whole runs at each size, written as they come."""
    from tunesmith.train.folder import write_start
    from tunesmith.train.job import Scratch

    found: dict[str, Any] = {}
    for size in given.sizes.split(","):
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            made = replace(job_of(Scratch(size), rows_of(given.data, given.rows), work), out=work / "start")
            parameters = write_start(made)
            steps = measure_steps(work / "start", given, work)
            whole = measure_whole(work / "start", given) if given.whole else None
            found[size] = {"parameters": parameters, "steps": steps, "whole_runs": whole}
            write(given, found)


def write(given: argparse.Namespace, found: dict[str, Any]) -> None:
    """The result file with the sizes so far: what was measured is not lost with what comes after it."""
    result = {
        "note": "ratios: how many times as long the other takes for a row; median of rounds, least and most of a round",
        "rows": "banking77 train" if given.data else "made",
        "batch": {"sft": BATCH, "dpo": PAIR_BATCH, "trl, stock": 8},
        "machine": machine(given.threads),
        "rounds": given.rounds,
        "steps_a_round": given.steps,
        "sizes": found,
    }
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    for size, one in found.items():
        print(size, json.dumps({key: one["steps"][key] for key in ("ms_a_step", "times_as_fast_as")}, indent=2))


def main() -> None:
    """Measure all arms and write bench/results/train.json, or run one arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, help="use so many only, to try it out")
    parser.add_argument("--sizes", default="1M,4M")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="of each arm a round")
    parser.add_argument("--whole", type=int, default=60, help="steps of a whole run; 0 leaves them out")
    parser.add_argument("--repeats", type=int, default=2, help="of whole runs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--arm", choices=WHOLE)
    parser.add_argument("--start", type=Path)
    given = parser.parse_args()
    if given.arm:
        import torch

        torch.set_num_threads(given.threads)
        with tempfile.TemporaryDirectory() as work:
            whole_run(given.arm, given.start, rows_of(given.data, given.rows), given.whole, Path(work))
        return
    measure(given)


if __name__ == "__main__":
    main()
