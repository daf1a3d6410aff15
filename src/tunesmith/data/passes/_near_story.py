"""What near_dedup tells of itself: what its bands find, what they proposed in vain, sizes of clusters, close calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.passes._near_pairs import Found, Search, limit_of
from tunesmith.data.passes._recall import Recall
from tunesmith.data.passes._stars import Stars
from tunesmith.stats.intervals import mean

CLOSE = 10  # pairs on either side of the bound
SIZES = ((2, 2), (3, 3), (4, 5), (6, 10), (11, 100), (101, 1000), (1001, 1 << 62))
Fields = dict[str, object]


def story(search: Search, found: Found, stars: Stars, recall: Recall) -> Mapping[str, object]:
    """Sentences, tables and charts for the report, and the numbers behind them."""
    numbers = _numbers(search, found, stars, recall)
    return {
        "sentences": list(_sentences(search, numbers)),
        "tables": [_curve(search), *_close(search, found)],
        "charts": [_sizes(stars)],
        **numbers,
    }


def _numbers(search: Search, found: Found, stars: Stars, recall: Recall) -> Fields:
    own = stars.codes >> 32 < search.sketches.shards[0]
    gone = own & (stars.survivors >= 0)
    limit = limit_of(search.bound)
    return {
        "threshold": limit,
        "bands": search.bands.bands,
        "width": search.bands.width,
        "expected_recall": round(search.bands.chance(limit), 6),
        "rows": int(sum(np.count_nonzero(search.sketches.facts(shard)["size"]) for shard in search.sketches.own)),
        "gone": int(gone.sum()),
        "identical": int((gone & (stars.similarities == 1.0)).sum()),
        "clusters": len(np.unique(stars.clusters[own])),
        "compared": found.came.compared,
        "verified": len(found.verified),
        "beyond": len(search.beyond(found.verified)),
        "left_out": found.came.left_out,
        "rounds": found.rounds,
        "recall_rows": recall.rows,
        "recall_pairs": recall.pairs,
        "recall_settled": recall.settled,
    }


def _sentences(search: Search, numbers: Mapping[str, object]) -> Iterator[str]:
    n = numbers
    yield (
        f"{n['gone']:,} of {n['rows']:,} records are near-duplicates of one that stays ({n['identical']:,} have the "
        f"very same n-grams), in {n['clusters']:,} clusters."
    )
    yield (
        f"{n['bands']} bands of {n['width']} find a pair at {n['threshold']:g} with probability "
        f"{float(str(n['expected_recall'])):.5f}. {_recall(n)}"
    )
    verified, beyond = int(str(n["verified"])), int(str(n["beyond"]))
    if verified:
        yield (
            f"{verified:,} pairs were alike enough by their signatures to be verified; {verified - beyond:,} of them "
            f"({(verified - beyond) / verified:.1%}) are within the bound, and would go without verification."
        )
    if n["left_out"]:
        yield f"{n['left_out']:,} times a record was not compared with a whole bucket, which had too many unlike rows."


def _recall(n: Mapping[str, object]) -> str:
    pairs, settled = int(str(n["recall_pairs"])), int(str(n["recall_settled"]))
    if not pairs:
        return f"An exhaustive search from {n['recall_rows']:,} records found no pair beyond the bound."
    share = mean([1.0] * settled + [0.0] * (pairs - settled))
    return (
        f"An exhaustive search from {n['recall_rows']:,} records found {pairs:,} pairs beyond the bound; of "
        f"{settled:,} of them a record goes (measured recall {share})."
    )


def _curve(search: Search) -> Fields:
    """What the bands find at similarities around the bound."""
    limit = limit_of(search.bound)
    at = sorted({round(limit + step, 4) for step in (-0.3, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1) if 0 < limit + step <= 1})
    rows = [[similarity, round(search.bands.chance(similarity), 5)] for similarity in at]
    return {"title": "Expected recall", "columns": ["similarity", "share of pairs proposed"], "rows": rows}


def _close(search: Search, found: Found) -> Iterator[Fields]:
    """The verified pairs nearest to the bound, on either side."""
    limit = limit_of(search.bound)
    verified = found.verified[np.lexsort((found.verified["second"], found.verified["first"]))]
    for title, side in (
        ("Pairs nearest to the bound, beyond it", verified["similarity"] >= limit),
        ("Pairs nearest to the bound, within it", verified["similarity"] < limit),
    ):
        some = verified[side]
        some = some[np.argsort(np.abs(some["similarity"] - limit), kind="stable")[:CLOSE]]
        if len(some):
            first, second = (search.sketches.ids_of(some[name]) for name in ("first", "second"))
            rows = zip(np.round(some["similarity"], 4).tolist(), first, second, strict=True)
            yield {"title": title, "columns": ["similarity", "record", "record"], "rows": [list(row) for row in rows]}


def _sizes(stars: Stars) -> Fields:
    sizes: NDArray[np.int64] = np.unique(stars.clusters, return_counts=True)[1]
    counts = [int(((sizes >= low) & (sizes <= high)).sum()) for low, high in SIZES]
    labels = [
        str(low) if low == high else f"{low} to {high}" if high < 1 << 62 else f"over {low - 1}" for low, high in SIZES
    ]
    shown = [place for place, count in enumerate(counts) if count]
    return {
        "title": "Clusters by their number of records",
        "labels": [labels[place] for place in shown],
        "counts": [counts[place] for place in shown],
    }
