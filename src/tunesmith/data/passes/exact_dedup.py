"""Duplicates that are equal to the letter, or in their letters and digits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import UserError
from tunesmith.data.arrays import arrow
from tunesmith.data.passes._exchange import Back, entries, first_of_each, key_of, partitions, read, write
from tunesmith.data.stream import Stream
from tunesmith.data.texts import NEEDED, column_of, texts_of

VERSION = 2
MEASURES = ("duplicates", "survivor")
KEEP = {"duplicates": {"max": 0}}

By = Literal["text", "prompt", "answer", "whole", "chosen", "rejected", "target"]
NOT_LETTERS = re.compile(r"[\W_]+")
FOUND = np.dtype([("shard", "<u4"), ("row", "<u4"), ("survivor", "S32")])


def exact_dedup(
    stream: Stream, *, by: By | Sequence[By] | None = None, normalise: bool = False, against: Stream | None = None
) -> Iterator[pa.Table]:
    """Whether a record repeats an earlier one: `duplicates` is 1 then and `survivor` the id of the one that stays.

    `by` names what is compared (several: all of them together), without it the text of documents and the whole of
    conversations and pairs; a record that lacks it is not measured. `normalise` compares only words of letters and
    digits, in lower case after NFKC. With `against`, records are compared with those of another list and not with one
    another.
    """
    parts = (None,) if by is None else (by,) if isinstance(by, str) else tuple(by)
    own = _Keys(stream, parts, normalise, stream.scratch / "own")
    counts = list(stream.executor.map(own, stream.shards, lane="threads"))
    total, rows = sum(keyed for keyed, _ in counts), [size for _, size in counts]
    if sum(rows) and not total:
        raise UserError(f"exact_dedup: no record has {' and '.join(map(str, parts))}.", "Compare by: another text.")
    others = None
    if against is not None:
        others = stream.scratch / "against"
        keyed = list(stream.executor.map(_Keys(against, parts, normalise, others), against.shards, lane="threads"))
        total += sum(count for count, _ in keyed)
    back = Back(stream.scratch / "found")
    ranges = list(enumerate(partitions(total)))
    list(stream.executor.map(_Partition(own.folder, others, back), ranges, lane="threads"))
    for shard in stream.shards:
        yield _table(own.folder, back, shard, rows[shard])


@dataclass(frozen=True)
class _Keys:
    """Writes the keys of one shard; gives how many of its rows have one, and how many rows it has."""

    stream: Stream
    parts: tuple[By | None, ...]
    normalise: bool
    folder: Path

    def __call__(self, shard: int) -> tuple[int, int]:
        table = self.stream.read(shard, ["id", *NEEDED, "target"])
        columns = [_texts(table, part).to_pylist() for part in self.parts]
        keys = [self._key(texts) for texts in zip(*columns, strict=True)]
        return write(self.folder, shard, entries(keys, table["id"].to_pylist(), shard)), table.num_rows

    def _key(self, texts: Sequence[str | None]) -> bytes | None:
        given = [text for text in texts if text is not None]
        if len(given) < len(texts):
            return None
        return key_of([normalised(text) for text in given] if self.normalise else given)


def _texts(table: pa.Table, part: By | None) -> pa.StringArray:
    return column_of(table, "target") if part == "target" else texts_of(table, part)


def normalised(text: str) -> str:
    """Words of letters and digits in lower case after NFKC; a text that has none stays as it is.

    >>> normalised("Ｒeturn  the FILE's name!")
    'return the file s name'
    >>> normalised("?!")
    '?!'
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return NOT_LETTERS.sub(" ", plain.lower()).strip() or text


@dataclass(frozen=True)
class _Partition:
    """Finds the entries of one range of keys that repeat another."""

    own: Path
    against: Path | None
    back: Back

    def __call__(self, numbered: tuple[int, tuple[int, int]]) -> None:
        number, part = numbered
        found = read(self.own, part)
        if self.against is None:
            firsts = first_of_each(found)
            repeats = np.flatnonzero(firsts != np.arange(len(found)))
            survivors = found["id"][firsts[repeats]]
        else:
            repeats, survivors = _in_both(found, read(self.against, part))
        result = np.zeros(len(repeats), FOUND)
        result["shard"], result["row"] = found["shard"][repeats], found["row"][repeats]
        result["survivor"] = survivors
        self.back.write(number, result)


def _in_both(found: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positions in found whose key is among the others, and the id of the first of those."""
    ids: dict[tuple[int, int], bytes] = {}
    for high, low, name in zip(others["high"].tolist(), others["low"].tolist(), others["id"].tolist(), strict=True):
        ids.setdefault((high, low), name)
    keys = list(zip(found["high"].tolist(), found["low"].tolist(), strict=True))
    hits = [position for position, key in enumerate(keys) if key in ids]
    return np.array(hits, np.int64), np.array([ids[keys[position]] for position in hits], "S32")


def _table(own: Path, back: Back, shard: int, rows: int) -> pa.Table:
    keyed = np.load(own / f"{shard:05d}.npy", mmap_mode="r")["row"]
    found = back.of_shard(shard)
    duplicates = np.full(rows, -1, np.int64)
    duplicates[keyed], duplicates[found["row"]] = 0, 1
    measured = arrow(duplicates)
    survivors: list[str | None] = [None] * rows
    for row, survivor in zip(found["row"].tolist(), found["survivor"].tolist(), strict=True):
        survivors[row] = survivor.decode()
    nulls = pa.nulls(rows, pa.int64())
    kept = pc.if_else(arrow(duplicates >= 0), measured, nulls)
    return pa.table([kept, pa.array(survivors, pa.string())], names=list(MEASURES))
