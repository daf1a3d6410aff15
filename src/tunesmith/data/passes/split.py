"""Parts of a list for training, validation and test."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from tunesmith.core.errors import UserError
from tunesmith.data.arrays import arrow
from tunesmith.data.passes._divide import Division, divide
from tunesmith.data.passes._frozen import open_frozen, write_members
from tunesmith.data.passes._held import held
from tunesmith.data.passes._split_story import story
from tunesmith.data.passes._together import columns_of
from tunesmith.data.stream import Measured, Stream

VERSION = 2
MEASURES = ("part", "crosses")
NAME = re.compile(r"[A-Za-z0-9_-]+")


def check(*, parts: Mapping[str, float], frozen: str | None = None, **_: object) -> None:
    """Raise UserError if the parts are no division of a whole, or the frozen set cannot be called so."""
    total = math.fsum(parts.values())
    if not parts or any(share <= 0 for share in parts.values()) or abs(total - 1) > 1e-6:
        given = ", ".join(f"{name}: {share:g}" for name, share in parts.items())
        raise UserError(f"split: the parts ({given}) add up to {total:g}.", "Shares are above 0 and add up to 1.")
    if frozen is not None and not NAME.fullmatch(Path(frozen).name):
        raise UserError(f"split: a frozen set cannot be called {frozen!r}.", "Names are letters, digits, - and _.")


def keep(*, frozen: str | None = None, **_: object) -> Mapping[str, object]:
    """The default bound: no record that would cross into a frozen part stays."""
    return {"crosses": {"max": 0}} if frozen is not None else {}


def split(
    stream: Stream,
    *,
    parts: Mapping[str, float],
    together: Sequence[str] = ("group",),
    largest: float = 0.08,
    stratify: str | None = None,
    frozen: str | None = None,
) -> Measured:
    """The `part` of each record; records that share a value of `together`, or their normalised text, are never parted.

    `together` names columns of the record, meta.NAME, signals, near_duplicates (the clusters of near_dedup steps before
    this one) or the label of one such step. Groups with more than the share `largest` of all records go to the first
    part, so that none of them makes up another; the rest fill the part that lacks most, in an order drawn from the
    seed. A record in no group goes by a hash of its normalised text, so that it keeps its part when others come or go.
    `stratify` names a column whose every value is divided in the same shares, as closely as whole groups allow; then
    records in no group fill up what groups leave, and may move when others come (not those of a frozen set).

    `frozen` names a frozen test set of the workspace, written when the recipe is first run: all records outside the
    first part. From then on they keep their parts, whatever comes, goes or is asked for; all other records go to the
    first part. What shares a group, a near-duplicate cluster or a known near-duplicate with a frozen record, without
    being one, `crosses`, and is dropped. It cannot see what no step has measured: paraphrases, and near-duplicates
    without a near_dedup step in the list.
    """
    check(parts=parts)
    columns = columns_of(stream, together)
    known = open_frozen(frozen, next(iter(parts)))
    if known is not None:
        return (yield from held(stream, columns, list(parts), known))
    division = divide(stream, columns, parts, largest, stratify)
    return (yield from _yielded(stream, division, list(parts), crosses=frozen is not None))


def freeze(stream: Stream, out: Path, *, parts: Mapping[str, float], **options: object) -> int:
    """Write the frozen set of a split: its records outside the first part. Gives how many there are."""
    options["frozen"] = None
    divided = split(stream, parts=parts, **options)  # type: ignore[arg-type]  # the recipe's own, checked when it was read
    names = options.get("together", ("group",))
    columns = columns_of(stream, names)  # type: ignore[arg-type]  # as above
    return write_members(stream, columns, divided, next(iter(parts)), out)


def _yielded(stream: Stream, division: Division, names: Sequence[str], *, crosses: bool) -> Measured:
    """The table of each shard, and what was found."""
    labels = np.array(names, dtype=object)
    counts = np.zeros(division.shape, np.int64)
    for place, counted in stream.executor.map(division.assign, stream.shards, lane="threads"):
        counts += counted
        zeros = [arrow(np.zeros(len(place), np.int64))] if crosses else []
        yield pa.table([pa.array(labels[place], pa.string()), *zeros], names=list(MEASURES[: 1 + len(zeros)]))
    return story(stream, division, names, counts)
