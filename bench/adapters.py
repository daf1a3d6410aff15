"""Adapters side by side on three seeds: `python bench/adapters.py FOLDER` (with data_full.json.gz of CLINC150).

Every seed draws 100 of the 150 intents; a base learns to name them from random weights. Each arm then starts from that
base and learns the other 50 intents from their 5,000 training rows; its 1,500 official test rows are answered once.
The learning rates were chosen with `--tune`: on the validation rows of another seed, so that neither rows nor draws of
the results decided them. Writes bench/results/adapters.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch

from tunesmith.core.artifact import write_json
from tunesmith.models.base import Sampling
from tunesmith.models.local import LocalModel
from tunesmith.run.machine import describe_machine
from tunesmith.stats.intervals import mean, paired_difference
from tunesmith.train.job import Adapter, Job, Row, Scratch
from tunesmith.train.sft import sft

ROOT = Path(__file__).parents[1]
FILE = "data_full.json.gz"
BASE = Scratch("1M", {"kind": "words"}, {"copy": 0.5, "embedding_std": 0.05})
BASE_INTENTS = 100
BASE_STEPS, STEPS, BATCH = 1500, 600, 32
TUNING_SEED = 0
Parts = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Arm:
    """One way to learn the new task, and its learning rate."""

    adapter: Adapter | None
    rate: float


def _bottleneck(places: str, reduction: int) -> Adapter:
    return Adapter("bottleneck", {"places": places, "reduction": reduction})


ARMS = {
    "all weights": Arm(None, 1e-3),
    "lora, rank 16": Arm(Adapter("lora", {"rank": 16}), 5e-3),
    "lora, rank 2": Arm(Adapter("lora", {"rank": 2}), 1e-2),
    "bottleneck, houlsby, 64 units": Arm(_bottleneck("houlsby", 2), 1e-2),
    "bottleneck, houlsby, 8 units": Arm(_bottleneck("houlsby", 16), 3e-2),
    "bottleneck, pfeiffer, 64 units": Arm(_bottleneck("pfeiffer", 2), 3e-2),
    "ia3": Arm(Adapter("ia3"), 1e-1),
    "prefix, 20 tokens": Arm(Adapter("prefix", {"tokens": 20}), 1e-1),
}


@dataclass(frozen=True)
class Learnt:
    """What an arm came to: which test rows it got right, what it trained, and what that took."""

    right: list[float]
    trained: int
    bytes: int
    seconds: float  # of processor time, one thread


def main() -> None:
    """Run the seeds one after another, print the table, write the results; without the data, say so and stop."""
    asked = _arguments()
    if not (asked.data / FILE).is_file():
        print(f"Skipped: {asked.data} holds no {FILE}.")
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = asked.workspace or Path(folder)
        if asked.tune:
            tune(asked.data, work, asked.arms, asked.tune)
            return
        found = {seed: run(seed, asked.data, work / str(seed)) for seed in asked.seeds}
    results = summary(found)
    write_json(asked.out, results)
    print(table(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help=f"the folder of {FILE}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument(
        "--tune", type=float, nargs="+", help="print validation losses at these learning rates, and stop"
    )
    parser.add_argument("--arms", nargs="+", default=list(ARMS), help="tune these arms only")
    parser.add_argument("--workspace", type=Path, help="keep what the runs make here")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "adapters.json")
    return parser.parse_args()


def tasks(data: Path, seed: int) -> tuple[Parts, Parts]:
    """The rows of the base's intents and of the others, part by part; which are which is drawn by the seed."""
    with gzip.open(data / FILE) as file:
        rows = json.load(file)
    intents = sorted({intent for _, intent in rows["train"]})
    known = set(random.Random(seed).sample(intents, BASE_INTENTS))
    base = {part: [_row(*row) for row in rows[part] if row[1] in known] for part in ("train", "val", "test")}
    new = {part: [_row(*row) for row in rows[part] if row[1] not in known] for part in ("train", "val", "test")}
    return base, new


def _row(text: str, intent: str) -> Row:
    answer = intent.replace("_", " ")
    return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]}


def train_base(parts: Parts, seed: int, folder: Path) -> Path:
    """A base that names its intents; trained once a folder."""
    job = _job(parts, seed, BASE, folder / "base")
    if not (job.out / "config.json").is_file():
        sft(job, steps=BASE_STEPS, batch_size=BATCH, prompt_dropout=0.15)
    return job.out


def _job(parts: Parts, seed: int, start: Path | Scratch, folder: Path, adapter: Adapter | None = None) -> Job:
    silent: Callable[..., None] = lambda *_: None  # noqa: E731
    out, resume = folder / "out", folder / "resume"
    return Job(start, parts["train"], parts["val"], out, resume, seed, silent, silent, adapter=adapter)


def tune(data: Path, folder: Path, names: Sequence[str], rates: Sequence[float]) -> None:
    """Print the validation loss of each arm at each learning rate, on the seed that is kept for this."""
    base_rows, new = tasks(data, TUNING_SEED)
    base = train_base(base_rows, TUNING_SEED, folder)
    for name in names:
        for rate in rates:
            job = _job(new, TUNING_SEED, base, folder / f"{name} {rate}", ARMS[name].adapter)
            curve = sft(job, steps=STEPS, batch_size=BATCH, learning_rate=rate, prompt_dropout=0.15).curve
            lowest = min(entry["validation_loss"] for entry in curve)
            print(f"{name}, {rate:g}: validation loss {lowest:.4f}", flush=True)


def run(seed: int, data: Path, folder: Path) -> dict[str, Learnt]:
    """All arms of a seed, from the same base."""
    base_rows, new = tasks(data, seed)
    base = train_base(base_rows, seed, folder)
    known = _right(base, base_rows["test"])
    print(f"seed {seed}: the base names {statistics.mean(known):.3f} of its own test rows", flush=True)
    return {name: learn(arm, new, seed, base, folder / name) for name, arm in ARMS.items()}


def learn(arm: Arm, new: Parts, seed: int, base: Path, folder: Path) -> Learnt:
    """Train one arm on the new task and answer its test rows."""
    job = _job(new, seed, base, folder, arm.adapter)
    begun = time.process_time()
    trained = sft(
        job, steps=STEPS, batch_size=BATCH, learning_rate=arm.rate, prompt_dropout=0.15, patience=None
    ).trained
    seconds = time.process_time() - begun
    size = sum(path.stat().st_size for path in job.out.glob("*.safetensors"))
    return Learnt(_right(job.out, new["test"]), trained, size, round(seconds, 1))


def _right(folder: Path, rows: Sequence[Row]) -> list[float]:
    """Whether each row is answered with its intent, word for word."""
    turns = [cast("list[dict[str, str]]", row["messages"]) for row in rows]
    answers = LocalModel(folder).generate([turn[:1] for turn in turns], Sampling(max_tokens=16, temperature=0.0))
    return [float(answer.text.strip() == turn[1]["content"]) for answer, turn in zip(answers, turns, strict=True)]


def summary(found: Mapping[int, Mapping[str, Learnt]]) -> dict[str, object]:
    """The result file. Rows of one intent lie together, 30 in order: they are a cluster of the intervals."""
    seeds = list(found)
    clusters = [f"{seed} {row // 30}" for seed in seeds for row in range(len(found[seed]["all weights"].right))]
    pooled = {name: [value for seed in seeds for value in found[seed][name].right] for name in ARMS}
    whole = {seed: found[seed]["all weights"].seconds for seed in seeds}
    arms = {
        name: {
            "accuracy": asdict(mean(pooled[name], groups=clusters)),
            "minus lora, rank 16": asdict(paired_difference(pooled[name], pooled["lora, rank 16"], groups=clusters)),
            "accuracy of each seed": {seed: asdict(mean(found[seed][name].right)) for seed in seeds},
            "trained": found[seeds[0]][name].trained,
            "bytes": found[seeds[0]][name].bytes,
            "seconds": {seed: found[seed][name].seconds for seed in seeds},
            "time / all weights": round(statistics.mean(found[seed][name].seconds / whole[seed] for seed in seeds), 3),
            "learning_rate": ARMS[name].rate,
        }
        for name in ARMS
    }
    return {"seeds": seeds, "steps": STEPS, "batch_size": BATCH, "arms": arms, "machine": describe_machine()}


def table(results: Mapping[str, object]) -> str:
    """One line an arm, as Markdown."""
    lines = [
        "| arm | accuracy [95 %] | minus lora, rank 16 | each seed | trained | on disk | time of all weights |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, arm in cast("Mapping[str, dict[str, object]]", results["arms"]).items():
        each = ", ".join(f"{one['value']:.3f}" for one in arm["accuracy of each seed"].values())
        cells = [
            name, _with_interval(arm["accuracy"]), _with_interval(arm["minus lora, rank 16"]), each,
            f"{arm['trained']:,}", f"{arm['bytes'] / 1e3:,.0f} kB", f"{arm['time / all weights']:.2f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _with_interval(number: Mapping[str, float]) -> str:
    return f"{number['value']:.3f} [{number['low']:.3f}, {number['high']:.3f}]"


if __name__ == "__main__":
    main()
