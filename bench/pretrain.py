"""Pre-training on a processor, measured: `python bench/pretrain.py PART... [--data FOLDER]`; writes its results.

speed        a step of ours beside one of Hugging Face's model with its own loss, in turns, one thread
processes    whole trainings: one process of one thread, two such, and one of two threads
shakespeare  tinyshakespeare (FOLDER/tinyshakespeare/input.txt), its last tenth held out; nats a character, three seeds.
             With --validation the last tenth of the rest is, to choose settings, and nothing is kept

Whether cleaning text pays: bench/pretrain_ablation.py. Each part is kept by itself in bench/results/pretrain.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from timing import in_turns, ratio

from tunesmith.core.artifact import write_json
from tunesmith.run.machine import describe_machine

if TYPE_CHECKING:
    from tunesmith.train.job import Job, Scratch

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "pretrain.json"
ROWS, LENGTH = 16, 128  # of a step
# Chosen on the last tenth of the training text; 1.88 is what nanoGPT's read-me tells of about three minutes on a CPU.
SHAKESPEARE: dict[str, Any] = {"steps": 1000, "batch_size": 16, "length": 256, "learning_rate": 8e-3}
SIZE, VOCABULARY = "1M", 2048
NANOGPT = 1.88


def main() -> None:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=["speed", "processes", "shakespeare"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sizes", nargs="+", default=["1M", "4M"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, help="of a whole training")
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    asked = parser.parse_args()
    if "speed" in asked.parts:
        keep("speed", {size: speed(size, asked.rounds) for size in asked.sizes})
    if "processes" in asked.parts:
        keep("processes", {size: processes(size, asked.rounds, asked.steps or 40) for size in asked.sizes})
    if "shakespeare" in asked.parts:
        if asked.data is None:
            parser.error("shakespeare needs --data")
        steps = asked.steps or SHAKESPEARE["steps"]
        text = (asked.data / "tinyshakespeare" / "input.txt").read_text()
        text = text[: int(len(text) * 0.9)] if asked.validation else text
        runs = [shakespeare(text, seed, steps) for seed in asked.seeds]
        if asked.validation:
            print(json.dumps(runs, indent=1))
            return
        keep("shakespeare", {"published": {"nanoGPT, CPU, about three minutes": NANOGPT}, "runs": runs})


def keep(part: str, found: dict[str, Any]) -> None:
    """Print a part and write it beside the others."""
    before = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    print(json.dumps({part: found}, indent=1))
    write_json(RESULTS, {**before, part: {**found, "machine": describe_machine()}})


def quiet_job(
    start: Path | Scratch, rows: list[dict[str, Any]], held: list[dict[str, Any]], work: Path, seed: int
) -> Job:
    """A job that says nothing."""
    from tunesmith.train.job import Job

    return Job(start, rows, held, work / "out", work / "resume", seed, lambda _: None, lambda *_: None)


def rows_of(count: int = 400) -> list[dict[str, Any]]:
    """Made documents, for speed alone."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijklmnop"), 5)) for _ in range(3000)]
    return [{"text": " ".join(rng.choice(words, 300))} for _ in range(count)]


def speed(size: str, rounds: int) -> dict[str, Any]:
    """Seconds of a step of each arm: the default of Hugging Face, and ours with and without its parts."""
    import torch

    torch.set_num_threads(1)
    arms = {"default": default(size), "ours": ours(size)}
    for step in arms.values():
        step(), step()
    took = in_turns({name: timed(step) for name, step in arms.items()}, rounds)
    clock = {name: [one[0] for one in each] for name, each in took.items()}
    busy = {name: [one[1] for one in each] for name, each in took.items()}
    shown = {name: round(statistics.median(each) * 1e3, 1) for name, each in busy.items()}
    return {
        "milliseconds": shown,
        "default / ours, by the clock": ratio(clock["default"], clock["ours"]),
        "default / ours, processor time": ratio(busy["default"], busy["ours"]),
    }


def timed(step: Callable[[], object], times: int = 3) -> Callable[[], tuple[float, float]]:
    """Seconds of a step by the clock and of processor time, the mean of some."""

    def run() -> tuple[float, float]:
        clock, busy = time.perf_counter(), time.process_time()
        for _ in range(times):
            step()
        return (time.perf_counter() - clock) / times, (time.process_time() - busy) / times

    return run


def default(size: str) -> Callable[[], object]:
    """A step as it is usually written: the model's own loss of its labels, sdpa, AdamW as it comes, float32."""
    import torch

    from tunesmith.train.scratch import scratch_model, scratch_tokenizer
    from tunesmith.train.start import texts_of

    tokenizer = scratch_tokenizer(texts_of(rows_of()))
    model = scratch_model(tokenizer, size=size).train()
    model.set_attn_implementation("sdpa")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    ids = torch.randint(300, len(tokenizer), (ROWS, LENGTH))

    def step() -> float:
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step


def ours(size: str) -> Callable[[], object]:
    """A step of our trainer, from drawing its windows to the new weights."""
    from tunesmith.train.devices import here
    from tunesmith.train.documents import write_documents
    from tunesmith.train.job import Scratch
    from tunesmith.train.loop import Settings, _optimizer, _step
    from tunesmith.train.losses import window_loss
    from tunesmith.train.meter import Meter
    from tunesmith.train.plan import planned
    from tunesmith.train.spread import laid_out
    from tunesmith.train.start import start_from
    from tunesmith.train.windows import Mixture, Stream, feed_of_windows

    work = Path(tempfile.mkdtemp())
    start = start_from(quiet_job(Scratch(size), rows_of(), [], work, 0), precision="float32")
    start = planned(start, np.full(1, LENGTH), batch=ROWS, steps=1000)
    stream = Stream(write_documents(rows_of(), start.tokenizer, work), length=LENGTH, seed=0)
    feed = feed_of_windows(Mixture([stream], [1.0]), size=ROWS, rows=None, device="cpu")(0)
    settings = Settings(steps=1000, learning_rate=1e-3)
    lie, optimizer = laid_out(start.model, here()), _optimizer(start.model, settings)

    def step() -> object:
        return _step(
            start.model, lie, optimizer, next(feed), lambda *given: (window_loss(*given), {}), settings, 100, Meter()
        )

    return step


def processes(size: str, rounds: int, steps: int) -> dict[str, Any]:
    """Seconds of the steps of whole trainings of the same batches, start-up apart."""
    sides = {
        "one process, one thread": lambda: together(size, steps, world=1, threads=1),
        "two processes, one thread each": lambda: together(size, steps, world=2, threads=1),
        "one process, two threads": lambda: together(size, steps, world=1, threads=2),
    }
    took = in_turns(sides, rounds)
    one, two, threads = took.values()
    return {
        "seconds": {name: round(statistics.median(each), 2) for name, each in took.items()},
        "one / two processes": ratio(one, two),
        "two threads / two processes": ratio(threads, two),
    }


def together(size: str, steps: int, *, world: int, threads: int) -> float:
    """Seconds from the first step's end to the last's, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        words = [[sys.executable, __file__, "--rank", str(rank), str(world), str(threads), size, str(steps), folder]
                 for rank in range(world)]  # fmt: skip
        started = [subprocess.Popen(one, env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"}) for one in words]
        if any([process.wait() for process in started]):
            raise RuntimeError("a process of the training failed")
        return float((Path(folder) / "seconds").read_text())


def rank_of(words: list[str]) -> None:
    """One process of a training."""
    import torch

    from tunesmith.train.devices import join
    from tunesmith.train.job import Scratch
    from tunesmith.train.pretrain import pretrain

    rank, world, threads, steps = int(words[0]), int(words[1]), int(words[2]), int(words[4])
    torch.set_num_threads(threads)
    folder = Path(words[5])
    if world > 1:
        join(rank=rank, world=world, shard=False, store=torch.distributed.FileStore(str(folder / "store"), world))
    times: list[float] = []
    from dataclasses import replace

    job = quiet_job(Scratch(words[3]), rows_of(), [], folder / str(rank), 0)
    job = replace(job, progress=lambda *_: times.append(time.perf_counter()))
    pretrain(job, steps=steps, batch_size=ROWS, length=LENGTH, learning_rate=1e-3, precision="float32")
    if rank == 0:
        (folder / "seconds").write_text(str(times[-1] - times[1]))


def shakespeare(text: str, seed: int, steps: int) -> dict[str, Any]:
    """Nats a character of the last tenth; the tokenizer is learnt from the rest alone."""
    from tunesmith.train.job import Scratch
    from tunesmith.train.pretrain import pretrain

    cut = int(len(text) * 0.9)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Scratch(SIZE, {"vocabulary": VOCABULARY}, {"length": SHAKESPEARE["length"]})
        job = quiet_job(scratch, [{"text": text[:cut]}], [{"text": text[cut:]}], Path(folder), seed)
        begun, busy = time.perf_counter(), time.process_time()
        done = pretrain(job, **{**SHAKESPEARE, "steps": steps}, patience=None)
    bits = [entry["validation_bits_per_byte"] for entry in done.curve]
    characters = len(text[cut:].encode()) / len(text[cut:])
    # The last weights, and not the best: the held-out text chooses nothing.
    return {
        "seed": seed,
        "nats a character": round(bits[-1] * math.log(2) * characters, 4),
        "curve": [round(one * math.log(2) * characters, 4) for one in bits],
        "seconds": round(time.perf_counter() - begun),
        "processor seconds": round(time.process_time() - busy),
        "steps": steps,
        "parameters": done.parameters,
        "epochs": round(done.epochs, 1),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        rank_of(sys.argv[2:])
    else:
        main()
