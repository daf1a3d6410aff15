"""Peak memory as estimated, beside what a process takes: `python bench/estimate.py`. Nothing is downloaded.

Each row is a child process of one thread. It trains a tiny model first by the same trainer, so that all code is loaded,
gives free memory back, and notes its resident memory; then it trains the model of the row in float32 for a few steps.
Measured is the highest resident memory (VmHWM) less what was noted. Estimated is what costs/memory.py says of the same
model, method and number of padded tokens and labels in the largest part of a step. The bar is 20 % on every row.

Each row is measured twice. First with MALLOC_MMAP_THRESHOLD_=1048576, so that the C library gives every large block
back when it is freed: that is what the training needs, and what is held to the bar. Then as glibc comes: it keeps freed
blocks of up to 32 MiB in its heap, and old versions cannot put an aligned block of the same size back into such a hole
(its bug 14581).

MFU is operations / the measured peak of this processor / the processor time of the fastest step, in both. Published
figures of other software on GPUs come last. Writes bench/results/estimate.json.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tunesmith.core.artifact import write_json
from tunesmith.costs.anatomy import anatomy_of
from tunesmith.costs.memory import Setup, memory_of
from tunesmith.costs.methods import method_of
from tunesmith.costs.published import errors_of, published_memory, published_runs
from tunesmith.run.machine import describe_machine
from tunesmith.web.estimate import print_published

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "estimate.json"
BAR = 0.20
STEPS = 3
MIB = 2**20
GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": str(MIB)}


@dataclass(frozen=True)
class Case:
    """One training to measure."""

    size: str
    trainer: str = "sft"
    adapter: str | None = None
    rows: int = 32  # a step
    words: int = 60  # of a question
    answer: int = 12  # words of an answer
    vocabulary: int = 4096
    best: bool = False  # with validation rows: the best weights are kept beside the model
    checkpointing: bool = False

    @property
    def name(self) -> str:
        """For people."""
        more = [self.adapter or "full", *(["checkpointing"] if self.checkpointing else [])]
        more += ["best weights kept"] if self.best else []
        return f"{self.size} {self.trainer} {' '.join(more)}, {self.rows} x {self.words}+{self.answer} words"


CASES = [
    Case("1M"),
    Case("1M", words=2, answer=200),  # nearly all tokens are labels, as in pre-training
    Case("4M"),
    Case("4M", "dpo", rows=16),
    Case("4M", adapter="lora"),
    Case("4M", words=120, checkpointing=True),
    Case("4M", adapter="prompt", rows=16),
    Case("12M", rows=8, best=True),
    Case("12M", "dpo", adapter="lora", rows=4),
    Case("35M", rows=4),
    Case("35M", adapter="lora", rows=4, words=120),
    Case("100M", rows=2),
    Case("100M", adapter="lora", rows=2, words=120),
]


def main() -> None:
    """Measure every case, print the tables, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--only", help="cases whose name holds this, in place of those that the results have")
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(child(Case(**json.loads(asked.case)))))
        return
    rows = json.loads(asked.out.read_text("utf-8"))["cpu"] if asked.only and asked.out.is_file() else []
    known = {row["case"]: row for row in rows}
    for case in CASES:
        if not asked.only or asked.only in case.name:
            known[case.name] = beside(case)
            write_json(asked.out, results(list(known.values())))
    measured = list(known.values())
    console = Console()
    Console(width=max(console.width, 140)).print(table(measured))
    within = sum(abs(row["error"]) <= BAR for row in measured)
    print(f"{within} of {len(measured)} rows within {BAR:.0%}")
    print_published(published_runs(), published_memory(), console)


def results(measured: list[dict[str, Any]]) -> dict[str, object]:
    """All that is kept: what was measured here, and published figures beside their estimates."""
    runs = published_runs()
    errors = {name: vars(errors_of(runs, new=new)) for name, new in (("in sample", False), ("new", True))}
    return {
        "machine": describe_machine(),
        "libc": " ".join(platform.libc_ver()),
        "bar": BAR,
        "cpu": measured,
        "published_runs": errors,
        "published_memory": [each.as_json() for each in published_memory()],
    }


def beside(case: Case) -> dict[str, Any]:
    """What a child measures of a case, and what is estimated of it."""
    found, heap = run(case, GIVES_BACK), run(case, {})
    anatomy = anatomy_of(found["config"])
    setup = Setup(
        anatomy,
        method_of(case.adapter),
        checkpointing=case.checkpointing,
        longest=found["longest"],
        trainer=case.trainer,
        gpu=False,
        by_hand=True,
    )
    memory = memory_of(setup, tokens=found["tokens"], labels=found["labels"], parts=False, best=case.best)
    error = memory.peak / found["measured"] - 1
    print(
        f"{case.name}: {error:+.1%}; heap {heap['measured'] / found['measured']:.2f} times", file=sys.stderr, flush=True
    )
    trained = setup.moving if case.adapter else None
    work = anatomy.flops(found["longest"], labels=found["labels"] / found["tokens"], adapter=trained)
    work *= found["tokens"]
    return {
        "case": case.name,
        **{key: value for key, value in found.items() if key != "config"},
        "parts": {name: round(value) for name, value in memory.parts.items()},
        "apart": round(memory.apart),
        "estimated": round(memory.peak),
        "error": error,
        "mfu": work / (found["peak_flops"] * found["step_s"]),
        "heap": heap["measured"],
        "heap_mfu": work / (heap["peak_flops"] * heap["step_s"]),
    }


def run(case: Case, environment: Mapping[str, str]) -> dict[str, Any]:
    """What a child process of one thread measures of a case."""
    command = [sys.executable, __file__, "--case", json.dumps(asdict(case))]
    one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL")} | {"TUNESMITH_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=os.environ | one | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{case.name}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def child(case: Case) -> dict[str, Any]:
    """Train, and tell how much memory that took beyond what the process had."""
    import torch
    from transformers import AutoConfig

    from tunesmith.train import dpo, sft

    torch.set_num_threads(1)
    seen: list[tuple[int, int, int]] = []
    for module in (sft, dpo):
        collate = module.collate

        def counted(*given: Any, _collate: Any = collate, **more: Any) -> Any:  # noqa: ANN401  # as in train/batches.py
            batch = _collate(*given, **more)
            if torch.is_grad_enabled():  # not what is only looked at: references, validation
                seen.append((batch.ids_BT.numel(), int((batch.labels_BT[:, 1:] != -100).sum()), batch.ids_BT.shape[1]))
            return batch

        module.collate = counted  # type: ignore[attr-defined]  # a function of the module
    peak = measured_peak()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny = Case("0.1M", case.trainer, case.adapter, rows=4, words=6, answer=4, best=case.best)
        for each, label in ((tiny, "tiny"), (case, "whole")):
            model_folder(each, folder / label / "model")
        train(tiny, folder / "tiny")
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        seen.clear()
        Path("/proc/self/clear_refs").write_text("5")  # the highest is forgotten
        before, begun = resident("VmRSS"), time.perf_counter()
        steps = train(case, folder / "whole")
        measured, spent = resident("VmHWM") - before, time.perf_counter() - begun
        config = AutoConfig.from_pretrained(folder / "whole" / "model").to_dict()
    tokens, labels, longest = max(seen)
    return {
        "config": config,
        "tokens": tokens,
        "labels": labels,
        "longest": longest,
        "before": before,
        "measured": measured,
        "seconds": spent,
        "step_s": min(b - a for a, b in pairwise(steps)),
        "peak_flops": peak,
    }


def measured_peak() -> float:
    """Operations a second of a large product in float32, by processor time: others may use the machine."""
    import torch

    square, spent = torch.ones(1024, 1024), []
    for _ in range(8):
        begun = time.process_time()
        square @ square
        spent.append(time.process_time() - begun)
    return float(2 * 1024**3 / min(spent[1:]))


def model_folder(case: Case, folder: Path) -> None:
    """A model of random weights on disk, with a tokenizer of single words."""
    from tunesmith.train.scratch import scratch_model, scratch_tokenizer

    texts = [" ".join(f"w{number}" for number in range(case.vocabulary))] * 2
    tokenizer = scratch_tokenizer(texts, vocabulary=case.vocabulary, length=2048)
    tokenizer.save_pretrained(folder)
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder)
    scratch_model(loaded, size=case.size, length=2048).save_pretrained(folder)


def train(case: Case, folder: Path) -> list[float]:
    """A training of some steps by our trainers; the processor time at the end of each step."""
    from tunesmith.train.dpo import dpo
    from tunesmith.train.job import Adapter, Job
    from tunesmith.train.sft import sft

    ends: list[float] = []
    adapter = Adapter(case.adapter) if case.adapter else None
    rows = rows_of(case)
    job = Job(
        folder / "model",
        rows,
        rows[:2] if case.best else [],
        folder / "out",
        folder / "resume",
        0,
        lambda _: None,
        lambda *_: ends.append(time.process_time()),
        adapter=adapter,
    )
    if case.trainer == "dpo":
        dpo(job, steps=STEPS, batch_size=case.rows)
    else:
        checkpointing = case.checkpointing or None
        sft(job, steps=STEPS, batch_size=case.rows, precision="float32", checkpointing=checkpointing)
    return ends


def rows_of(case: Case) -> list[Mapping[str, Any]]:
    """Rows of one length, enough for two different steps."""
    question = " ".join(f"w{number % 300}" for number in range(case.words))
    answers = [" ".join(f"w{(number * step) % 300}" for number in range(case.answer)) for step in (1, 3)]
    rows = []
    for number in range(2 * case.rows):
        messages = [{"role": "user", "content": f"{question} w{number}"}]
        chosen, rejected = ([{"role": "assistant", "content": answer}] for answer in answers)
        if case.trainer == "dpo":
            rows.append({"messages": messages, "chosen": chosen, "rejected": rejected})
        else:
            rows.append({"messages": messages + chosen})
    return rows


def resident(field: str) -> int:
    """Bytes of resident memory: now (VmRSS), or the most there were (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def table(measured: list[dict[str, Any]]) -> Table:
    """The rows for people."""
    names = ("tokens", "labels", "MiB", "estimated", "error", "MFU", "heap MiB", "times", "MFU")
    shown = Table("training", *names, box=None, pad_edge=False)
    for column in shown.columns[1:]:
        column.justify = "right"
    for row in measured:
        numbers = [f"{row[name]:,}" for name in ("tokens", "labels")]
        sizes = [f"{row[side] / MIB:,.0f}" for side in ("measured", "estimated", "heap")]
        error = f"{row['error']:+.1%}{'' if abs(row['error']) <= BAR else ' !'}"
        times = f"{row['heap'] / row['measured']:.2f}"
        shares = [f"{row[name]:.2f}" for name in ("mfu", "heap_mfu")]
        shown.add_row(row["case"], *numbers, *sizes[:2], error, shares[0], sizes[2], times, shares[1])
    return shown


if __name__ == "__main__":
    main()
