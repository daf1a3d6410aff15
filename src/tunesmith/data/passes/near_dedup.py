"""Near-duplicates: proposed by MinHash bands, verified by true Jaccard similarity, settled as stars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tunesmith.core.bound import Bound
from tunesmith.core.errors import UserError
from tunesmith.core.record import Where
from tunesmith.data.kernels.words import Fold, table
from tunesmith.data.passes._identical import leaders_of, ranks_of
from tunesmith.data.passes._near_pairs import Search, find_pairs, limit_of
from tunesmith.data.passes._near_story import story
from tunesmith.data.passes._near_tables import MEASURES as MEASURES
from tunesmith.data.passes._near_tables import Tables, nearest_that_stay
from tunesmith.data.passes._proposals import bands_for
from tunesmith.data.passes._recall import measured_recall
from tunesmith.data.passes._sketches import Shingles, sketches
from tunesmith.data.passes._stars import with_followers
from tunesmith.data.stream import Measured, Stream

VERSION = 1
KEEP = {"similarity": {"below": 0.8}}
READS_BOUNDS = True


def check(
    *, n: int = 5, permutations: int = 128, normalise: Sequence[Fold] = ("case",), threshold: float = 0.8,
    recall: float = 0.999, **_: object,
) -> None:  # fmt: skip
    """Raise UserError for what no signature can be made of."""
    table(normalise)
    if n < 1 or not 16 <= permutations <= 1024:
        raise UserError(f"near_dedup: n {n}, permutations {permutations}.", "n is 1 or more, permutations 16 to 1024.")
    if not 0 < threshold <= 1 or not 0 < recall < 1:
        raise UserError(f"near_dedup: threshold {threshold}, recall {recall}.", "Both are shares, above 0.")


def near_dedup(
    stream: Stream,
    *,
    unit: Literal["words", "characters"] = "words",
    n: int = 5,
    normalise: Sequence[Fold] = ("case",),
    by: Where | None = None,
    survivor: str | None = None,
    prefer: Literal["highest", "lowest"] = "highest",
    permutations: int = 128,
    recall: float = 0.999,
    threshold: float = 0.8,
    against: Stream | None = None,
) -> Measured:
    """The `similarity` of a record to the one that stays in its place, its `survivor`; `cluster` names all its kin.

    Similarity is the Jaccard similarity of the sets of word n-grams (of characters with `unit: characters`; in scripts
    without spaces every character is a word), after `normalise`; a shorter text is one n-gram, and one without words
    is not measured. Of similar records the one with the highest (or lowest, `prefer`) number of the signal `survivor`
    stays, else the longest, else that with the lowest id. A record goes only if it is similar to one that stays, so
    that no chain removes what is unlike all that is left. For a record that stays, similarity is the highest that was
    verified below the bound to another that stays, else 0. `passage` is what a removed record shares with its survivor.

    The bound on similarity is where pairs are looked for, so that bands are chosen for it: `recall` is the share of the
    pairs right at the bound that they propose at least. Without a bound, `threshold` stands for it and nothing goes.
    With `against`, records are compared with those of another list and not with one another.
    """
    shingles = Shingles(unit, n, tuple(normalise), by)
    streams = [stream, *([against] if against else [])]
    made = sketches(streams, shingles, permutations)
    bound = stream.keep.get("similarity", Bound(below=threshold))
    limit = limit_of(bound)
    ranks = ranks_of(stream, made, survivor, prefer)
    leaders = leaders_of(stream, made, ranks)
    search = Search(stream, made, shingles, ranks, leaders, bands_for(limit, permutations, recall), bound)
    found = find_pairs(search)
    stars = with_followers(found.stars, leaders)
    near = nearest_that_stay(found.verified, stars)
    tables = Tables(stream.rows, made, shingles, stars, near, found.sets)
    yield from stream.executor.map(tables, stream.shards, lane="threads")
    return story(search, found, stars, measured_recall(search, found))
