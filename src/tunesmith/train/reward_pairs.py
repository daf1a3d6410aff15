"""Pairs as a reward model reads them: tokens, margins, what belongs together, and which preferences cannot all hold."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import UserError
from tunesmith.train.corpus import Corpus, Rendered
from tunesmith.train.dpo import rendered_pairs
from tunesmith.train.job import Job, Row, Rows
from tunesmith.train.start import Start


@dataclass(frozen=True)
class Pairs:
    """Rendered pairs, the margin of each (0 where none is given), and the group that each belongs to."""

    rendered: Rendered
    margins: npt.NDArray[np.float32]
    groups: Sequence[object]

    @property
    def marks(self) -> str:
        """A hash of the margins."""
        return hashlib.sha256(self.margins.tobytes()).hexdigest()

    def prompts(self) -> list[bytes]:
        """What stands for the prompt of each pair: the tokens before its answers."""
        side = self.rendered.sides[0]
        return [_digest(row.ids[: int(np.argmax(row.mask))]) for row in map(side.__getitem__, range(len(side)))]

    def clusters(self) -> list[object]:
        """What belongs together, for intervals: the pairs' group, or else their prompt."""
        both = zip(self.groups, self.prompts(), strict=True)
        return [prompt if group is None else group for group, prompt in both]

    def conflicts(self) -> dict[str, int]:
        """How many pairs have one answer twice, contradict another pair, or lie on a cycle with others."""
        return conflicts_of([_digests(side) for side in self.rendered.sides])


def conflicts_of(sides: Sequence[Sequence[bytes]]) -> dict[str, int]:
    """Of pairs of chosen and rejected answers (prompts included): how many are equal, contradictory, or on a cycle.

    A preference lies on a cycle where its two answers are in one strongly connected component of all of them.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers: dict[bytes, int] = {}
    better, worse = (
        np.array([numbers.setdefault(row, len(numbers)) for row in side], dtype=np.int64) for side in sides
    )
    edges = set(zip(better.tolist(), worse.tolist(), strict=True))
    graph = coo_array((np.ones(len(better)), (better, worse)), shape=(len(numbers), len(numbers)))
    _, component = connected_components(graph, directed=True, connection="strong")
    equal = better == worse
    back = (
        np.array([(w, b) in edges for b, w in zip(better.tolist(), worse.tolist(), strict=True)], dtype=bool) & ~equal
    )
    cyclic = (component[better] == component[worse]) & ~equal & ~back
    return {"equal": int(equal.sum()), "contradictory": int(back.sum()), "cyclic": int(cyclic.sum())}


def _digests(side: Corpus) -> list[bytes]:
    return [_digest(side[row].ids) for row in range(len(side))]


def _digest(ids: npt.NDArray[np.int32]) -> bytes:
    return hashlib.blake2b(ids.tobytes(), digest_size=16).digest()


def pairs_of(job: Job, rows: Rows, start: Start, limit: int, part: str) -> Pairs:
    """The pairs of a part whose two answers fit; those left out are said."""
    found = rendered_pairs(job, rows, start, limit, part)
    margins, groups = array("f"), []
    for row in rows:
        margins.append(_margin(row))
        groups.append(row.get("group"))
    kept = found.kept
    return Pairs(found, np.array(margins, dtype=np.float32)[kept], [groups[place] for place in kept.tolist()])


def _margin(row: Row) -> float:
    given = row.get("margin")
    margin = 0.0 if given is None else float(str(given))
    if not 0 <= margin < float("inf"):
        raise UserError(f"The row {row.get('id', '?')} has the margin {margin:g}.", "A margin is 0 or more.")
    return margin
