"""contamination beside the least that it could do: `python tunesmith_overlap.py DATASET SCRATCH BENCHMARK ...`.

Prints the processor seconds of reading all texts of a stored list, of cutting them into words and hashing those, and of
the whole pass against the benchmarks' files, as one line of JSON. Everything has run once before it is timed.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from tunesmith.core.executor import LocalExecutor
from tunesmith.data.dataset import Dataset, open_dataset
from tunesmith.data.kernels.words import word_hashes
from tunesmith.data.passes.contamination import contamination
from tunesmith.data.stream import Stream
from tunesmith.data.texts import NEEDED, texts_of

FOLDER, SCRATCH, *BENCHMARKS = sys.argv[1:]


def main() -> None:
    """Time the three, one after the other."""
    pa.set_cpu_count(1)
    dataset = open_dataset(Path(FOLDER))
    first = Dataset(dataset.layers, 1)
    work: dict[str, Callable[[Dataset], object]] = {"read": read, "read and tokenise": tokenise, "pass": compare}
    seconds = {}
    for name, each in work.items():
        each(first)
        begun = time.process_time()
        each(dataset)
        seconds[name] = time.process_time() - begun
    size = sum(pa.compute.sum(pa.compute.binary_length(texts)).as_py() for texts in _texts(dataset))
    print(json.dumps({"documents": dataset.count(), "bytes": size, "seconds": seconds}))


def _texts(dataset: Dataset) -> Iterator[pa.StringArray]:
    return (texts_of(dataset.read(shard, NEEDED)) for shard in range(dataset.shards))


def read(dataset: Dataset) -> None:
    """Read all texts."""
    for _ in _texts(dataset):
        pass


def tokenise(dataset: Dataset) -> None:
    """Read all texts, and hash their words."""
    for texts in _texts(dataset):
        word_hashes(texts)


def compare(dataset: Dataset) -> None:
    """The pass, with its index."""
    shutil.rmtree(SCRATCH, ignore_errors=True)
    scratch = Path(SCRATCH)
    scratch.mkdir()
    for _ in contamination(Stream(dataset, LocalExecutor(1), scratch, 0), against=BENCHMARKS):
        pass


if __name__ == "__main__":
    main()
