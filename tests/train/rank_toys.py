"""Trainings in processes of their own, one a device: `rank_toys RANK WORLD START FOLDER DIE_AT KIND:TRAINER...`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "GLOO_SOCKET_IFNAME": "lo"}


def together(
    start: Path, folder: Path, *trainings: str, world: int = 2, die: Mapping[int, int] | None = None
) -> list[int]:
    """Train one after the other in so many processes, each KIND:TRAINER in a folder of that name; gives exit codes.

    `die` says at which step a process kills itself with signal 9.
    """
    for store in folder.glob("*.store"):
        store.unlink()
    shared = [str(world), str(start), str(folder)]
    words = [[str(rank), *shared, str((die or {}).get(rank, 0)), *trainings] for rank in range(world)]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train.rank_toys", *one], env=ENV, cwd=ROOT, stderr=subprocess.PIPE
        )
        for one in words
    ]
    try:
        errors = [process.communicate(timeout=120)[1].decode() for process in started]
    finally:
        for process in started:
            process.kill()
    codes = [process.returncode for process in started]
    if any(codes) and not die:
        raise AssertionError("\n".join(errors))
    return codes


def train(trainer: str, start: Path, folder: Path, progress: Any = lambda *_: None) -> None:
    """The training that the processes share, or one alone: in float32, with a state after each step."""
    from dataclasses import replace

    import torch
    from tests.train.document_toys import text_rows
    from tests.train.train_toys import job_at, pair_rows, scratch_rows

    from tunesmith.train import device, loop
    from tunesmith.train.dpo import dpo
    from tunesmith.train.job import Adapter
    from tunesmith.train.pretrain import pretrain
    from tunesmith.train.rlhf import rlhf
    from tunesmith.train.sft import sft

    torch.set_num_threads(1)
    device._cpu_has_bfloat16 = lambda: False
    loop._Saver.is_due = lambda _: True  # type: ignore[method-assign]
    if trainer == "pretrain":
        job = job_at(folder, start, text_rows(30), validation=text_rows(3, seed=99), progress=progress)
        pretrain(job, steps=9, batch_size=5, length=32, learning_rate=1e-3, patience=None)
        return
    pairs = trainer.startswith("dpo")
    rows = pair_rows() if pairs else scratch_rows()
    job = job_at(folder, start, rows[:25], validation=rows[25:], progress=progress)
    if trainer == "rlhf":
        rewarded = replace(job, reward=lambda _, answers: [float(answer.count("the")) for answer in answers])
        rlhf(rewarded, steps=4, batch_size=3, generations=4, learning_rate=1e-3, max_new_tokens=8)
        return
    if trainer.endswith("lora"):
        job = replace(job, adapter=Adapter("lora", {"rank": 4}))
    if trainer.endswith("bottleneck"):
        job = replace(job, adapter=Adapter("bottleneck", {"reduction": 8}))
    # The last batch of an epoch has one row: a process has none.
    (dpo if pairs else sft)(job, steps=9, batch_size=6, learning_rate=1e-3, patience=None)


def start_at(folder: Path) -> Path:
    """A model folder to start from."""
    from tests.train.train_toys import job_at, scratch_rows

    from tunesmith.train.job import Scratch
    from tunesmith.train.sft import sft

    job = job_at(folder, Scratch("0.1M", {"kind": "words", "vocabulary": 320}), scratch_rows())
    sft(job, steps=30, batch_size=16, learning_rate=0.01)
    return (folder / "out").rename(folder / "start")


def main(words: Sequence[str]) -> None:
    """One process of the trainings."""
    import torch

    from tunesmith.train.devices import join, leave

    rank, world, die_at = int(words[0]), int(words[1]), int(words[4])
    start, folder = Path(words[2]), Path(words[3])

    def progress(step: int, of: int, numbers: object) -> None:
        if step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    for training in words[5:]:
        kind, _, trainer = training.partition(":")
        store = torch.distributed.FileStore(str(folder / f"{training}.store"), world)
        join(rank=rank, world=world, shard=kind == "fsdp", store=store)
        train(trainer, start, folder / training, progress)
        leave()


if __name__ == "__main__":
    main(sys.argv[1:])
