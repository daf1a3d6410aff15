"""Rows that hold items of a benchmark: how much of which item, where, and whether they are younger than it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch
from pathlib import Path
from typing import cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath
from tunesmith.data.arrays import arrow
from tunesmith.data.benchmarks import COMMON, N_OF_CONVERSATIONS, N_OF_DOCUMENTS, SHORTEST, Item, items_of
from tunesmith.data.passes._contamination_found import Compared, Tally
from tunesmith.data.stream import Measured, Rows, Stream
from tunesmith.data.texts import NEEDED, texts_of

VERSION = 1
MEASURES = ("overlap", "item", "benchmark", "matched", "passage", "after")
BOUND = 0.5
KEEP = {"overlap": {"max": BOUND}}  # Tülu 3 (arXiv 2411.15124) drops what covers more than half of an item

PASSAGE = 200  # characters of an excerpt
DATES = ("date", "published", "created", "created_at", "timestamp")  # fields of meta that date a row
ISO_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")

Released = str | Mapping[str, str] | None


def check(
    *, n: int | None = None, shortest: int = SHORTEST, common: int = COMMON, released: Released = None, **_: object
) -> None:
    """Raise UserError if a number is too small for an index, or a date is none."""
    for name, value, least in (("n", n, 4), ("shortest", shortest, 3), ("common", common, 1)):
        if value is not None and value < least:
            raise UserError(f"contamination: {name}: {value} is too small.", f"It is {least} or more.")
    for given in [released] if isinstance(released, str) else (released or {}).values():
        try:
            date.fromisoformat(given)
        except ValueError:
            raise UserError(f"contamination: released: {given!r} is no date.", "Write YYYY-MM-DD.") from None


def contamination(
    stream: Stream,
    *,
    against: Sequence[LocalPath] | Stream,
    fields: Sequence[str] | None = None,
    n: int | None = None,
    shortest: int = SHORTEST,
    common: int = COMMON,
    released: Released = None,
) -> Measured:
    """The largest `overlap` of a row with an item of a benchmark: the share of the item's words that it holds.

    Items are the texts of the rows of files (`against: [evals/*.jsonl]`) or of another list, those in `fields` only if
    given. They are compared by letters and digits. An item of n words (13 for documents, 8 for conversations and
    pairs) is covered by its n-grams in the row; one in more than `common` items is boilerplate and does not count. A
    shorter item has to stand there whole, and its overlap is its share of the lines it stands in; one of fewer than
    `shortest` words has to be all of the row or its prompt. `item`, `benchmark` and `passage` say what was found,
    `matched` how many n-grams; `after` is 1 where the row is dated after the benchmark was `released`, a date or a
    mapping of benchmarks to dates.
    """
    from tunesmith.data.item_index import build_index  # numba takes a second to import

    check(n=n, shortest=shortest, common=common, released=released)
    items = items_of(against, fields)
    texts = pa.array([item.text for item in items], pa.string())
    sizes = (n or N_OF_DOCUMENTS, n or N_OF_CONVERSATIONS)
    folder = stream.scratch / "index"
    indexes = [build_index(texts, n=size, shortest=shortest, common=common) for size in sizes]
    for size, index in zip(sizes, indexes, strict=True):
        index.save(folder / str(size))
    releases = _releases(items, released)
    telling = np.maximum(*(index.telling for index in indexes))
    tally = Tally(items, indexes[0].sizes, telling, shortest, releases, BOUND)
    compare = _Compare(stream.rows, folder, sizes, bool(released))
    for compared in stream.executor.map(compare, stream.shards, lane="threads"):
        tally.add(compared)
        yield _table(compared, items, releases)
    return tally.found()


@dataclass(frozen=True)
class _Compare:
    """Looks for the items in the rows of one shard."""

    rows: Rows
    folder: Path  # of the indexes, by n
    sizes: tuple[int, int]  # n for documents, and for conversations and pairs
    is_dated: bool

    def __call__(self, shard: int) -> Compared:
        from tunesmith.data.edits.redact_pii import redact_pii
        from tunesmith.data.item_index import load_index
        from tunesmith.data.overlap import joined, matches, passages

        table = self.rows.read(shard, ["id", *(["origin", "meta"] if self.is_dated else []), *NEEDED])
        texts = texts_of(table)
        found = joined([matches(load_index(self.folder / str(size)), part) for size, part in self._parts(table)])
        best = found.take(found.best)
        shown = pa.array([text[:PASSAGE] for text in passages(texts, best)], pa.string())
        redacted = [text[:PASSAGE] for text in redact_pii(shown).to_pylist()]
        dates = _dates(table) if self.is_dated else [None] * table.num_rows
        return Compared(table["id"].to_pylist(), texts.is_valid(), found, best, redacted, dates)

    def _parts(self, table: pa.Table) -> Iterator[tuple[int, pa.StringArray]]:
        """Documents, conversations and pairs as a whole, and their prompts alone, each with its n.

        A word of a prompt has the same place in the whole.
        """
        turns = texts_of(table, "whole")
        yield self.sizes[0], pc.if_else(turns.is_valid(), pa.scalar(None, pa.string()), texts_of(table, "text"))
        if turns.null_count < len(turns):
            yield self.sizes[1], turns
            yield self.sizes[1], texts_of(table, "prompt")


def _table(compared: Compared, items: Sequence[Item], releases: Sequence[str | None]) -> pa.Table:
    best, size = compared.best, len(compared.ids)
    overlaps, matched = np.zeros(size), np.zeros(size, np.int64)
    overlaps[best.rows], matched[best.rows] = best.overlaps, best.matched
    found: list[Item | None] = [None] * size
    shown: list[str | None] = [None] * size
    of = [min((date for date in releases if date), default=None)] * size  # without a match, that of the oldest
    for row, item, passage in zip(best.rows.tolist(), best.items.tolist(), compared.passages, strict=True):
        found[row], shown[row], of[row] = items[item], passage, releases[item]
    after = [_is_after(given, release) for given, release in zip(compared.dates, of, strict=True)]
    columns = {
        "overlap": pc.if_else(compared.measured, arrow(overlaps), pa.scalar(None, pa.float64())),
        "item": pa.array([item and item.place for item in found], pa.string()),
        "benchmark": pa.array([item and item.benchmark for item in found], pa.string()),
        "matched": arrow(matched),
        "passage": pa.array(shown, pa.string()),
        "after": pa.array(after, pa.int64()),
    }
    return pa.table([columns[name] for name in MEASURES], names=list(MEASURES))


def _releases(items: Sequence[Item], released: Released) -> list[str | None]:
    """When the benchmark of each item was released; raises UserError for a name that is no benchmark's."""
    names = sorted({item.benchmark for item in items})
    given = {"*": released} if isinstance(released, str) else dict(released or {})
    if idle := [pattern for pattern in given if not any(_is_named(name, pattern) for name in names)]:
        raise UserError(f"contamination: released: {idle[0]!r} is no benchmark.", f"There are {', '.join(names)}.")
    of = {name: next((day for pattern, day in given.items() if _is_named(name, pattern)), None) for name in names}
    return [of[item.benchmark] for item in items]


def _is_named(name: str, pattern: str) -> bool:
    return fnmatch(name, pattern) or fnmatch(name, f"*/{pattern}") or fnmatch(pattern, f"*/{name}")


def _dates(table: pa.Table) -> list[str | None]:
    """The day, month or year of each row: that of its origin, or of a field of its meta."""
    origins, metas = table["origin"].to_pylist(), table["meta"].to_pylist()
    return [_iso((origin or {}).get("date")) or _date_in(meta) for origin, meta in zip(origins, metas, strict=True)]


def _date_in(meta: str | None) -> str | None:
    given = cast("dict[str, object]", orjson.loads(meta)) if meta else {}
    return next((day for name in DATES if (day := _iso(given.get(name)))), None)


def _iso(given: object) -> str | None:
    found = ISO_DATE.match(given) if isinstance(given, str) else None
    return found[0] if found else None


def _is_after(given: str | None, release: str | None) -> int | None:
    """1 for a row that is younger, 0 for an older one or one of that day; None where its date does not tell."""
    if not given or not release or (len(given) < len(release) and release.startswith(given)):
        return None
    return int(given > release)
