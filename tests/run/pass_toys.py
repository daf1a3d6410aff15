"""Passes as a user would write them: one that tells what it found, one that changes texts, one that reorders rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tunesmith.data.stream import Measured, Stream

VERSION = 1
MEASURES = ("size", "least", "text")
READS_BOUNDS = True


def sizes(stream: Stream) -> Measured:
    """The size of each text, beside the least that the recipe keeps."""
    least = stream.keep["size"].min if "size" in stream.keep else None
    total = 0
    for shard in stream.shards:
        texts = stream.read(shard, ["text"])["text"].to_pylist()
        total += len(texts)
        yield pa.table({"size": [len(text) for text in texts], "least": pa.array([least] * len(texts), pa.int64())})
    return {"sentences": [f"{total} texts were measured."], "total": total}


def remembering(stream: Stream) -> Measured:
    """How often the work that no bound changes was done."""

    def work(folder: Path) -> None:
        with Path("work.log").open("a") as file:
            file.write("worked\n")
        (folder / "size.txt").write_text("7")

    size = int((stream.once("sizes", {"n": 1}, work) / "size.txt").read_text())
    for shard in stream.shards:
        rows = stream.read(shard, ["id"]).num_rows
        yield pa.table({"size": pa.array([size] * rows, pa.int64())})
    return None


def shouted(stream: Stream) -> Measured:
    """Texts in capitals."""
    for shard in stream.shards:
        texts = stream.read(shard, ["text"])["text"].to_pylist()
        yield pa.table({"text": [text.upper() for text in texts]})
    return None
