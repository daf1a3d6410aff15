"""Rows that do not fit into memory: the peak of a training's own memory at sizes a hundred apart.

    python bench/large.py [--megabytes 10 100 1000] [--out bench/results/large.json]

Chats of made-up words are written as a stored dataset, then `sft` trains a few steps on them in a process of its own:
what is measured is what rendering, drawing and batching hold. Pages of files that are mapped (`RssFile`) are the
system's to take back, and are told apart from memory that is the process's own (`RssAnon`).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SHARD_ROWS = 50_000
WORDS = 60  # of an answer


def write_dataset(folder: Path, megabytes: int) -> int:
    """A dataset of so much text, in shards; returns its rows."""
    import pyarrow as pa

    from tunesmith.core.artifact import Manifest, finish
    from tunesmith.core.record import schema_of
    from tunesmith.data.dataset import shard_path, write_shard

    rng = random.Random(0)
    words = [f"{a}{b}{c}" for a in "bcdfgklmnprst" for b in ("a", "e", "io", "u") for c in ("n", "r", "st", "lm", "x")]
    wanted, written, rows, shard = megabytes * 1_000_000, 0, 0, 0
    schema = schema_of(["id", "messages", "part"])
    while written < wanted:
        table = []
        for _ in range(SHARD_ROWS):
            question, answer = " ".join(rng.choices(words, k=12)), " ".join(rng.choices(words, k=WORDS))
            turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            table.append({"id": f"{rows:032x}", "messages": turns, "part": "train"})
            rows, written = rows + 1, written + len(question) + len(answer)
            if written >= wanted:
                break
        path = shard_path(folder, shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_shard(path, pa.Table.from_pylist(table, schema=schema))
        shard += 1
    facts = {"shards": shard, "columns": schema.names}
    finish(folder, Manifest("dataset", folder.parent.name, folder.name, "made", 1, {}, facts=facts))
    return rows


def train(folder: Path, work: Path) -> dict[str, float]:
    """Ten steps of sft on the dataset; the peak of memory and the seconds of rendering."""
    from tunesmith.data.dataset import open_dataset
    from tunesmith.run.train_rows import TrainRows
    from tunesmith.train.job import Job, Scratch
    from tunesmith.train.sft import sft

    peaks = {"RssAnon": 0.0, "RssFile": 0.0}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            for line in Path("/proc/self/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in peaks:
                    peaks[name] = max(peaks[name], int(value.split()[0]) / 1000)

    threading.Thread(target=watch, daemon=True).start()
    dataset = open_dataset(folder)
    first = [row for row, _ in zip(TrainRows(dataset, "train"), range(2_000), strict=False)]
    said: list[str] = []
    small = Job(Scratch("0.1M"), first, [], work / "small", work / "resume0", 0, said.append, lambda *_: None)
    small.out.mkdir(parents=True)
    sft(small, steps=1)
    begun = time.perf_counter()
    marks: list[float] = []
    job = Job(small.out, TrainRows(dataset, "train"), [], work / "out", work / "resume", 0, said.append,
              lambda *_: marks.append(time.perf_counter()))  # fmt: skip
    job.out.mkdir()
    sft(job, steps=10, batch_size=16)
    done.set()
    return {
        **{f"{name} MB": round(peak) for name, peak in peaks.items()},
        "seconds to the first step": round(marks[0] - begun, 1),
    }


def main() -> None:
    """Measure each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "large.json")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        with tempfile.TemporaryDirectory() as work:
            print(json.dumps(train(given.one, Path(work))))
        return
    found = []
    for megabytes in given.megabytes:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "datasets" / "rows" / "key"
            data.mkdir(parents=True)
            rows = write_dataset(data, megabytes)
            ended = subprocess.run(
                [sys.executable, __file__, "--one", str(data)], check=True, capture_output=True, text=True
            )
            found.append({"MB of text": megabytes, "rows": rows, **json.loads(ended.stdout.splitlines()[-1])})
            print(found[-1], flush=True)
    given.out.write_text(json.dumps({"sizes": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
