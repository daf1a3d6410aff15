"""Later data beside a frozen test set: members keep their parts, what would cross is told, all else comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.data.arrays import arrow
from tunesmith.data.passes._frozen import SALT, Frozen, content_keys, id_keys, is_cluster
from tunesmith.data.passes._split_story import parts_sentence, share
from tunesmith.data.passes._together import NONE, TO_TELL_CONTENT, Keys, keys_of, needed
from tunesmith.data.stream import Measured, Rows, Stream

REASONS = ("a group or cluster", "a known near-duplicate", "two parts")
PRESENT, DROPPED = 1, 2  # marks of members: kept here, or dropped by a step before


def held(stream: Stream, columns: tuple[str, ...], parts: Sequence[str], frozen: Frozen) -> Measured:
    """The part of each record, and whether it would cross."""
    look = _Look(stream.rows, columns, frozen, stream.scratch / "looked")
    claimed, seen = [frozen.groups], np.zeros(len(frozen.part), np.int8)
    for values, marks in stream.executor.map(look, stream.shards, lane="threads"):
        claimed.append(values)
        np.bitwise_or.at(seen, marks[:, 0], marks[:, 1].astype(np.int8))
    names = [parts[0], *frozen.names]
    place = _Give(stream.rows, columns, frozen, look.folder, np.unique(np.concatenate(claimed)))
    counts, crossing = np.zeros(len(names), np.int64), Counter[str]()
    for given in stream.executor.map(place, stream.shards, lane="threads"):
        stays = given.reason < 0
        counts += np.bincount(given.part[stays], minlength=len(names))
        crossing.update(REASONS[reason] for reason in given.reason[~stays].tolist())
        labels = pa.array(np.array(names, dtype=object)[given.part], pa.string())
        yield pa.table([labels, arrow((~stays).astype(np.int64))], names=["part", "crosses"])
    return _story(names, parts, counts, crossing, seen)


@dataclass(frozen=True)
class _Look:
    """Finds the members of the frozen set in a shard: what they share with others, and whether they are still kept."""

    rows: Rows
    columns: tuple[str, ...]
    frozen: Frozen
    folder: Path

    def __call__(self, shard: int) -> tuple[Keys, NDArray[np.int64]]:
        table = self._read(shard)
        kept = pc.fill_null(table["kept"], True).to_numpy().astype(bool)
        ids, contents = id_keys(table["id"].to_pylist()), content_keys(table)
        self.folder.mkdir(exist_ok=True)
        np.save(self.folder / f"{shard:05d}.npy", np.stack([ids[kept], contents[kept]]))
        found = [self.frozen.ids.find(ids), self.frozen.contents.find(contents)]
        values = keys_of(table, self.columns, SALT)
        values[np.ix_(~kept, [not is_cluster(column) for column in self.columns])] = NONE  # a dropped row parts nothing
        values = values[np.maximum(*found) >= 0]
        state = np.where(kept, PRESENT, DROPPED)
        marks = np.concatenate([np.stack([member, state], axis=1)[member >= 0] for member in found])
        return np.unique(values[values != NONE]), np.unique(marks, axis=0)

    def _read(self, shard: int) -> pa.Table:
        """All rows that can be seen: those that a step has dropped may be in the cluster of rows that stay."""
        wanted = list(dict.fromkeys([*TO_TELL_CONTENT, *needed(self.columns), "kept"]))
        return self.rows.dataset.read(shard, wanted, kept=False)


@dataclass(frozen=True)
class _Given:
    """The part of each record, 0 for the first, and the place of the reason for which it crosses, or -1."""

    part: NDArray[np.int64]
    reason: NDArray[np.int64]


@dataclass(frozen=True)
class _Give:
    """Gives the records of a shard their parts."""

    rows: Rows
    columns: tuple[str, ...]
    frozen: Frozen
    looked: Path
    claimed: Keys

    def __call__(self, shard: int) -> _Given:
        ids, contents = np.load(self.looked / f"{shard:05d}.npy")
        table = self.rows.read(shard, needed(self.columns))
        of_id, of_content = self.frozen.ids.find(ids), self.frozen.contents.find(contents)
        by_id, by_content = self._part(of_id), self._part(of_content)
        part = np.where(by_id > 0, by_id, by_content)
        shares = np.isin(keys_of(table, self.columns, SALT), self.claimed).any(axis=1)
        near = np.isin(contents, self.frozen.near)
        two = (by_id > 0) & (by_content > 0) & (by_id != by_content)
        cases = [two, (part == 0) & shares, (part == 0) & near]
        return _Given(part, np.select(cases, [2, 0, 1], -1))

    def _part(self, member: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(member >= 0, self.frozen.part[member] + 1, 0) if len(self.frozen.part) else member * 0


def _story(
    names: Sequence[str],
    parts: Sequence[str],
    counts: NDArray[np.int64],
    crossing: Mapping[str, int],
    seen: NDArray[np.int8],
) -> dict[str, object]:
    """What was found: the parts, the members that are still here, and why rows would cross."""
    here, dropped = int((seen & PRESENT > 0).sum()), int((seen == DROPPED).sum())
    rows, members = counts.tolist(), len(seen)
    sentences = [
        parts_sentence(names, rows),
        f"The parts {', '.join(names[1:]) or 'of no name'} are frozen: {here:,} of their {members:,} records are here; "
        f"{dropped:,} were dropped by steps before, {members - here - dropped:,} are no longer read. "
        f"All other records go to {names[0]}.",
    ]
    if crossing:
        why = ", ".join(f"{crossing[reason]:,} by {reason}" for reason in REASONS if crossing.get(reason))
        sentences.append(f"{sum(crossing.values()):,} records would cross into a frozen part: {why}.")
    if new := [name for name in parts[1:] if name not in names]:
        sentences.append(f"Nothing goes to {', '.join(new)}: the frozen set has no such part.")
    table = [[name, n, share(n, sum(rows))] for name, n in zip(names, rows, strict=True)]
    return {
        "sentences": sentences,
        "tables": [{"title": "Parts", "columns": ["part", "rows", "realised"], "rows": table}],
        "frozen": {"members": members, "here": here, "dropped": dropped},
        "crosses": dict(sorted(crossing.items())),
    }
