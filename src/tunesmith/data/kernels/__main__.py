"""`python -m tunesmith.data.kernels` compiles every kernel now, so that the first run does not wait for it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from tunesmith.core.artifact import Manifest, finish
from tunesmith.core.executor import LocalExecutor
from tunesmith.core.record import Fitted
from tunesmith.data.dataset import open_dataset, shard_path, write_shard
from tunesmith.data.edits.redact_pii import redact_pii
from tunesmith.data.files import File
from tunesmith.data.item_index import build_index
from tunesmith.data.kernels import pairs
from tunesmith.data.kernels.minhash import ngram_sets, signatures
from tunesmith.data.kernels.sketch import BUCKETS, inverse_frequencies, sketches, texts_with_words
from tunesmith.data.kernels.words import table as table_of
from tunesmith.data.overlap import matches
from tunesmith.data.passes.line_dedup import line_dedup
from tunesmith.data.passes.split import split as split_rows
from tunesmith.data.signals.language import language
from tunesmith.data.signals.perplexity import fit, perplexity
from tunesmith.data.signals.punctuation_errors import punctuation_errors
from tunesmith.data.signals.toxicity import toxicity
from tunesmith.data.sources.csv import split
from tunesmith.data.sources.jsonl import jsonl
from tunesmith.data.stream import Stream
from tunesmith.data.views import Views, bytes_of

TEXTS = pa.array(["Call +44 20 7946 0018 or mail jo@example.org: «Größe», 日本語. " * 9, None, "-", "One line.\nTwo."])


def compile_all() -> None:
    """Call everything that has a kernel once, on a few texts."""
    with TemporaryDirectory() as folder:
        fit(iter([TEXTS]), Path(folder))
        perplexity(TEXTS, model=Fitted(folder))
        rows = Path(folder, "rows.jsonl")
        rows.write_text('{"text": "caf\\u00e9", "n": 1}\n{"text": "two"}\n', "utf-8")
        list(jsonl(File(str(rows), rows.name)))
        table = Path(folder, "rows.csv")
        table.write_text('text\n"one\ntwo"\nthree\n' * 9, "utf-8")
        split(File(str(table), table.name), 16)
    for measure in (language, toxicity, punctuation_errors, redact_pii):
        measure(TEXTS)
    texts_with_words(TEXTS)
    sketches(TEXTS, inverse_frequencies(np.zeros(BUCKETS, np.int64), 1))
    _whole_stream()
    matches(build_index(pa.array(["one two three four five six", "so"]), n=4), TEXTS)
    _near()
    assert len(Views(TEXTS).counts.words) == len(TEXTS)


def _whole_stream() -> None:
    """The kernels of line_dedup and split, on a list of one shard."""
    with TemporaryDirectory() as folder:
        rows = pa.table({"id": ["0" * 32, "1" * 32], "text": ["One line of more than twenty signs.\nTwo."] * 2})
        write_shard(shard_path(Path(folder, "datasets", "texts", "key"), 0), rows)
        facts = {"shards": 1, "columns": list(rows.column_names)}
        home = Path(folder, "datasets", "texts", "key")
        finish(home, Manifest("dataset", "texts", "key", "stretch", 1, {}, facts=facts))
        scratch = Path(folder, "scratch")
        for number, run in enumerate(
            (partial(line_dedup, documents=2), partial(split_rows, parts={"train": 0.5, "test": 0.5}))
        ):
            (scratch / str(number)).mkdir(parents=True)
            for _ in run(Stream(open_dataset(home), LocalExecutor(1), scratch / str(number), 0)):
                pass


def _near() -> None:
    """The kernels of near_dedup, on a list of three texts of which two are alike."""
    words = [f"w{number}" for number in range(40)]
    given = pa.array([" ".join(words), " ".join([*words, "x"]), " ".join([*words, "x"])])
    signs, places = table_of(), np.zeros(2, np.int64)
    made, _, _ = signatures(given, signs, by_characters=False, n=5, permutations=128)
    grams, bounds = ngram_sets(given, signs, by_characters=False, n=5)
    pairs.band_keys(made, np.arange(3), 25, 5, np.zeros(75, np.uint64))
    buckets, room = np.array([0, 3]), np.zeros((9, 2), np.int64)
    pairs.propose(made, np.zeros(3, np.uint8), np.arange(3), buckets, 80, 100, False, 9, room, np.zeros(4, np.int64))
    pairs.search(made, made, 80, room)
    pairs.shared(grams, bounds, np.array([[0, 1]]), np.zeros(1, np.int64))
    data, offsets = bytes_of(given[:2])
    pairs.shared_passages(data, offsets, data, offsets, signs, 5, places, places.copy())
    pairs.stars(np.array([0, 1, 2]), np.array([1, 0]), np.ones(2), places, np.zeros(2))
    pairs.components(np.array([0]), np.array([1]), np.arange(2))


if __name__ == "__main__":
    compile_all()
