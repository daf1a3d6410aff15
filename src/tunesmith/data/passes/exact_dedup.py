"""Duplicates that are equal to the letter, in their letters and digits, or in their address."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from tunesmith.core.errors import UserError
from tunesmith.data.arrays import arrow, load_array
from tunesmith.data.passes._addresses import addresses_of
from tunesmith.data.passes._batches import batches
from tunesmith.data.passes._exchange import KEY, PLACED, Back, Entries, by_key, first_of_each, partitions, read, write
from tunesmith.data.stream import Measured, Rows, Stream
from tunesmith.data.texts import NEEDED, column_of, texts_of
from tunesmith.data.views import bytes_of

VERSION = 3
MEASURES = ("duplicates", "survivor")
KEEP = {"duplicates": {"max": 0}}

By = Literal["text", "prompt", "answer", "whole", "chosen", "rejected", "target", "url"]
COLUMNS: Mapping[By, Sequence[str]] = {"text": ("text",), "target": ("target",), "url": ("origin", "meta")}
NOT_LETTERS = re.compile(r"[\W_]+")
FOUND = np.dtype([("shard", "<u4"), ("row", "<u4"), ("survivor", "S32")])


def exact_dedup(
    stream: Stream, *, by: By | Sequence[By] | None = None, normalise: bool = False, against: Stream | None = None
) -> Measured:
    """Whether a record repeats an earlier one: `duplicates` is 1 then and `survivor` the id of the one that stays.

    `by` names what is compared (several: all of them together), without it the text of documents and the whole of
    conversations and pairs; a record that lacks it is not measured. `normalise` compares only words of letters and
    digits, in lower case after NFKC. `by: url` compares addresses (meta's `url`, or where the file was read from)
    without fragment, default port, slash at the end and parameters of tracking such as utm_source. With `against`,
    records are compared with those of another list and not with one another.
    """
    parts = (None,) if by is None else (by,) if isinstance(by, str) else tuple(by)
    own = _Keys(stream.rows, parts, normalise, stream.scratch / "own")
    counts = list(stream.executor.map(own, stream.shards, lane="threads"))
    compared, rows = sum(keyed for keyed, _ in counts), [size for _, size in counts]
    if sum(rows) and not compared:
        raise UserError(f"exact_dedup: no record has {' and '.join(map(str, parts))}.", "Compare by: another text.")
    total, others = compared, None
    if against is not None:
        others = _Keys(against.rows, parts, normalise, stream.scratch / "against")
        keyed = list(stream.executor.map(others, against.shards, lane="threads"))
        total += sum(count for count, _ in keyed)
    back = Back(stream.scratch / "found")
    ranges = list(enumerate(partitions(total)))
    groups = list(stream.executor.map(_Partition(own, others, back), ranges, lane="threads"))
    for shard in stream.shards:
        yield _table(own.folder, back, shard, rows[shard])
    return _told(groups, compared, sum(rows), is_against=others is not None)


@dataclass(frozen=True)
class _Keys:
    """Writes the keys of one shard; gives how many of its rows have one, and how many rows it has."""

    rows: Rows
    parts: tuple[By | None, ...]
    normalise: bool
    folder: Path

    def __call__(self, shard: int) -> tuple[int, int]:
        """Write one shard's keys."""
        needed = dict.fromkeys(name for part in self.parts for name in (COLUMNS.get(part, NEEDED) if part else NEEDED))
        found, rows = [np.zeros(0, PLACED)], 0
        for batch in batches(self.rows, shard, list(needed)):
            found.append(self._keyed(batch, shard, rows))
            rows += batch.num_rows
        return write(self.folder, shard, by_key(np.concatenate(found))), rows

    def _keyed(self, batch: pa.RecordBatch, shard: int, before: int) -> Entries:
        columns = [_texts(batch, part) for part in self.parts]
        given = np.flatnonzero(
            reduce(pc.and_, [column.is_valid() for column in columns]).to_numpy(zero_copy_only=False)
        )
        hashed = [self._hashed(part, column) for part, column in zip(self.parts, columns, strict=True)]
        keys = hashed[0] if len(hashed) == 1 else _together(hashed)
        found = np.zeros(len(given), PLACED)
        found["high"], found["low"] = keys["high"][given], keys["low"][given]
        found["shard"], found["row"] = shard, given + before
        return found

    def _hashed(self, part: By | None, texts: pa.StringArray) -> Entries:
        if self.normalise and part != "url":
            plain = [None if text is None else normalised(text) for text in texts.to_pylist()]
            return _hashes(pa.array(plain, pa.string()))
        return _hashes(texts)


def _texts(rows: pa.RecordBatch, part: By | None) -> pa.StringArray:
    if part == "url":
        return addresses_of(rows)
    return column_of(rows, "target") if part == "target" else texts_of(rows, part)


def _hashes(texts: pa.StringArray) -> Entries:
    # 128 bits: among 10^9 different texts, two are taken for equal with odds of 1 in 10^21. XXH3 takes a twelfth of
    # the time of BLAKE2b; it is no shield against texts that are built to collide.
    data, offsets = bytes_of(texts)
    view = data.data
    return np.frombuffer(b"".join([xxh3_128_digest(view[a:b]) for a, b in pairwise(offsets.tolist())]), KEY)


def _together(hashed: Sequence[Entries]) -> Entries:
    """One key for the keys of several texts of a row, in order."""
    rows: NDArray[np.void] = np.stack(hashed, axis=1)
    return np.frombuffer(b"".join([xxh3_128_digest(row.tobytes()) for row in rows]), KEY)


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
class _Groups:
    """What a partition found: rows that repeat another, how many others they repeat, and the most repeats of one."""

    repeats: int
    firsts: int
    most: int


@dataclass(frozen=True)
class _Partition:
    """Finds the entries of one range of keys that repeat another, and the ids of those they repeat."""

    own: _Keys
    against: _Keys | None
    back: Back

    def __call__(self, numbered: tuple[int, tuple[int, int]]) -> _Groups:
        number, part = numbered
        found = read(self.own.folder, part)
        others = self.own if self.against is None else self.against
        repeats, firsts = _repeats(found) if self.against is None else _in_both(found, read(others.folder, part))
        result = np.zeros(len(repeats), FOUND)
        result["shard"], result["row"] = repeats["shard"], repeats["row"]
        result["survivor"] = _ids(others.rows, firsts)
        self.back.write(number, result)
        _, sizes = np.unique(result["survivor"], return_counts=True)
        return _Groups(len(result), len(sizes), int(sizes.max(initial=0)))


def _repeats(found: Entries) -> tuple[Entries, Entries]:
    """The entries that repeat an earlier one, and the first one of each."""
    firsts = first_of_each(found)
    again = np.flatnonzero(firsts != np.arange(len(found)))
    return found[again], found[firsts[again]]


def _in_both(found: Entries, others: Entries) -> tuple[Entries, Entries]:
    """The entries whose key is among the others', and the first one there."""
    both = np.concatenate([others, found])
    numbered = both.copy()
    numbered["shard"], numbered["row"] = 0, np.arange(len(both))
    numbered = by_key(numbered)
    firsts = numbered["row"][first_of_each(numbered)]
    hits = (numbered["row"] >= len(others)) & (firsts < len(others))
    return both[numbered["row"][hits]], both[firsts[hits]]


def _ids(rows: Rows, places: Entries) -> NDArray[np.bytes_]:
    """The id of the row at each place."""
    ids = np.zeros(len(places), "S32")
    order = np.argsort(places["shard"], kind="stable")
    shards, starts = np.unique(places["shard"][order], return_index=True)
    for shard, (begin, end) in zip(shards.tolist(), pairwise([*starts, len(order)]), strict=True):
        here = order[begin:end]
        ids[here] = rows.read(shard, ["id"])["id"].take(arrow(places["row"][here])).to_pylist()
    return ids


def _table(own: Path, back: Back, shard: int, rows: int) -> pa.Table:
    keyed = load_array(own / f"{shard:05d}.npy", mmap_mode="r")["row"]
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


def _told(groups: Sequence[_Groups], compared: int, rows: int, *, is_against: bool) -> Mapping[str, object]:
    repeats, firsts = sum(one.repeats for one in groups), sum(one.firsts for one in groups)
    most = max((one.most for one in groups), default=0)
    other = "a record of the other list" if is_against else "an earlier one"
    share = f" ({100 * repeats / compared:.1f} %)" if compared else ""
    sentences = [f"{repeats:,} of {compared:,} records repeat {other}{share}."]
    if repeats:
        sentences.append(f"They repeat {firsts:,} records; the one repeated most stands {most:,} more times.")
    if compared < rows:
        sentences.append(f"{rows - compared:,} of {rows:,} records have nothing to compare and are not measured.")
    return {"sentences": sentences, "compared": compared, "repeats": repeats, "repeated": firsts, "most": most}
