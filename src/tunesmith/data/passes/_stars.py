"""Which rows of near_dedup stay: each that goes is similar to one that stays, so no cluster is ever lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.passes._identical import Leaders, Ranks
from tunesmith.data.passes._sketches import Codes

NONE = np.int64(-1)


@dataclass(frozen=True)
class Stars:
    """Every row with a pair beyond the bound, sorted by code: its survivor (-1: it stays), how similar, its cluster."""

    codes: Codes
    survivors: Codes
    similarities: NDArray[np.float64]
    clusters: Codes

    @property
    def gone(self) -> Codes:
        """The rows that go."""
        return self.codes[self.survivors >= 0]

    def are_among(self, codes: Codes, wanted: Codes) -> NDArray[np.bool_]:
        """Which of these codes are among the wanted ones, which are sorted."""
        places = np.minimum(np.searchsorted(wanted, codes), len(wanted) - 1)
        return wanted[places] == codes if len(wanted) else np.zeros(len(codes), bool)

    def survivor_of(self, codes: Codes) -> tuple[Codes, NDArray[np.float64], Codes]:
        """For any rows: who stays in their place (-1: themselves), how similar that is, and their cluster (or -1)."""
        survivors, clusters = np.full(len(codes), NONE), np.full(len(codes), NONE)
        similarities = np.zeros(len(codes))
        known = self.are_among(codes, self.codes)
        places = np.searchsorted(self.codes, codes[known])
        survivors[known], clusters[known] = self.survivors[places], self.clusters[places]
        similarities[known] = self.similarities[places]
        return survivors, similarities, clusters


def stars_of(edges: NDArray[np.void], ranks: Ranks) -> Stars:
    """The stars of the verified pairs beyond the bound."""
    from tunesmith.data.kernels.pairs import components, stars

    codes = np.unique(np.concatenate([edges["first"], edges["second"]]))
    rank = ranks(codes)
    first, second = (rank[np.searchsorted(codes, edges[name])] for name in ("first", "second"))
    ends, others = np.concatenate([first, second]), np.concatenate([second, first])
    order = np.lexsort((others, ends))
    bounds = np.searchsorted(ends[order], np.arange(len(codes) + 1))
    survivor, nearest = np.full(len(codes), NONE), np.zeros(len(codes))
    stars(bounds, others[order], np.tile(edges["similarity"], 2)[order], survivor, nearest)
    root = np.arange(len(codes))
    components(first, second, root)
    of_rank = np.empty(len(codes), np.int64)
    of_rank[rank] = codes
    survivors = np.where(survivor >= 0, of_rank[survivor], NONE)[rank]
    return Stars(codes, survivors, np.where(survivor >= 0, nearest, 0.0)[rank], of_rank[root][rank])


def with_followers(stars: Stars, leaders: Leaders) -> Stars:
    """The stars with the rows that have the set of another: they share its fate, or go in its favour."""
    followers, led = leaders.all(leaders.sketches.all)
    survivors, similarities, clusters = stars.survivor_of(led)
    stays = survivors < 0
    survivors, similarities = np.where(stays, led, survivors), np.where(stays, 1.0, similarities)
    clusters = np.where(clusters < 0, led, clusters)
    alone = np.unique(led[~stars.are_among(led, stars.codes)])
    codes = np.concatenate([stars.codes, followers, alone])
    order = np.argsort(codes)
    return Stars(
        codes[order],
        np.concatenate([stars.survivors, survivors, np.full(len(alone), NONE)])[order],
        np.concatenate([stars.similarities, similarities, np.zeros(len(alone))])[order],
        np.concatenate([stars.clusters, clusters, alone])[order],
    )
