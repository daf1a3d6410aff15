"""Exchange files of a pass: what each shard knows of its rows, sorted by a key, so that equal keys can meet.

Each shard writes one file; a partition is a range of keys, cut so that about PARTITION_ROWS rows of all shards are in
memory at once. What a partition finds out goes back to its rows by shard and row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.hashing import hash128

PARTITION_ROWS = 2_000_000
KEY = np.dtype([("high", "<u8"), ("low", "<u8")])
PLACED = np.dtype([*KEY.descr, ("shard", "<u4"), ("row", "<u4")])
ENTRY = np.dtype([*PLACED.descr, ("id", "S32")])  # 32 is the length of a record's id

Entries = NDArray[np.void]  # of dtype PLACED or ENTRY, or of what a partition gives, which has shard and row


def key_of(parts: Sequence[str]) -> bytes:
    """16 bytes that stand for these texts."""
    return hash128(parts)


def entries(keys: Sequence[bytes | None], ids: Sequence[str], shard: int) -> Entries:
    """One entry for each row that has a key, sorted by key and row."""
    rows = [row for row, key in enumerate(keys) if key is not None]
    made = np.zeros(len(rows), ENTRY)
    packed = np.frombuffer(b"".join(key for key in keys if key is not None), KEY)
    made["high"], made["low"] = packed["high"], packed["low"]
    made["shard"], made["row"], made["id"] = shard, rows, [ids[row].encode() for row in rows]
    return by_key(made)


def by_key(found: Entries) -> Entries:
    """Entries sorted by key, shard and row."""
    ordered: Entries = found[np.argsort(found["high"], kind="stable")]
    same = np.flatnonzero(ordered["high"][1:] == ordered["high"][:-1])
    if len(same):  # only they need the slower sort by all of key and place
        tied = np.union1d(same, same + 1)
        some = ordered[tied]
        ordered[tied] = some[np.lexsort((some["row"], some["shard"], some["low"], some["high"]))]
    return ordered


def write(folder: Path, number: int, found: Entries) -> int:
    """Write one shard's entries; gives how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(_path(folder, number), found)
    return len(found)


def partitions(total: int, size: int | None = None) -> list[tuple[int, int]]:
    """Ranges of the high half of keys, first included and last excluded, of about `size` of the `total` entries."""
    count = max(1, -(-total // (size or PARTITION_ROWS)))
    edges = [(number << 64) // count for number in range(count + 1)]
    return list(pairwise(edges))


def read(folder: Path, part: tuple[int, int]) -> Entries:
    """All entries of a partition, sorted by key, shard and row."""
    pieces = [_slice(np.load(path, mmap_mode="r"), part) for path in sorted(folder.glob("*.npy"))]
    return by_key(np.concatenate(pieces)) if pieces else np.zeros(0, ENTRY)


def _slice(found: Entries, part: tuple[int, int]) -> Entries:
    return found[within(found["high"], part)]


def within(keys: NDArray[np.uint64], part: tuple[int, int]) -> slice:
    """Where the keys of a partition stand among these, which are sorted."""
    first, last = part  # they are searched where they lie: np.searchsorted would read all of a file
    return slice(bisect_left(keys, first), len(keys) if last >= 1 << 64 else bisect_left(keys, last))


def first_of_each(found: Entries) -> NDArray[np.int64]:
    """For each entry, sorted as `read` gives them, the position of the first one with the same key."""
    new = np.ones(len(found), bool)
    new[1:] = (found["high"][1:] != found["high"][:-1]) | (found["low"][1:] != found["low"][:-1])
    positions: NDArray[np.int64] = np.flatnonzero(new)[np.cumsum(new) - 1]
    return positions


@dataclass(frozen=True)
class Back:
    """What partitions found out, written as one file each and read by shard."""

    folder: Path

    def write(self, number: int, found: Entries) -> None:
        """Write what a partition found out; its dtype has shard and row."""
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(_path(self.folder, number), found[np.lexsort((found["row"], found["shard"]))])

    def of_shard(self, shard: int) -> Entries:
        """What all partitions found out about the rows of one shard, in their order."""
        files = [np.load(path, mmap_mode="r") for path in sorted(self.folder.glob("*.npy"))]
        slices = [slice(*np.searchsorted(found["shard"], [shard, shard + 1])) for found in files]
        rows = np.concatenate([found[where] for found, where in zip(files, slices, strict=True)])
        return rows[np.argsort(rows["row"], kind="stable")]


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npy"
