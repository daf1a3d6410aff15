"""Duplicates in meaning: records whose embeddings under a given model are nearly the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.bound import Bound
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import file_sha256, key_of
from tunesmith.core.record import LocalPath, Where
from tunesmith.data.passes._clusters_of_vectors import SAMPLE, Vectors, centres_of, nearest_centre
from tunesmith.data.passes._exchange import Back
from tunesmith.data.passes._nearest import take
from tunesmith.data.stream import Measured, Rows, Stream
from tunesmith.data.texts import NEEDED, texts_of

VERSION = 1
MEASURES = ("similarity", "survivor")
KEEP = {"similarity": {"below": 0.95, "missing": "keep"}}  # between SemDeDup's settings for text and for images
READS_BOUNDS = True
USES = ("torch", "transformers")
CLUSTER_ROWS = 20_000  # in a cluster on average: 30 MB of vectors of 384 numbers; fewer rows are compared all with all
CHECKED = 200  # rows whose neighbours in other clusters are counted
ROW = np.dtype([("shard", "<u4"), ("row", "<u4"), ("length", "<i8"), ("id", "S32")])
FOUND = np.dtype([("shard", "<u4"), ("row", "<u4"), ("similarity", "<f8"), ("survivor", "S32")])


def semantic_dedup(stream: Stream, *, model: LocalPath, by: Where | None = None, threshold: float = 0.95) -> Measured:
    """How like in meaning a record is to one that stays: the cosine of their embeddings, and that one's id as survivor.

    `model` is the folder of an encoder (a transformer, or SentenceTransformers), whose states are averaged over the
    text. The longest record of like ones stays, then the one of the lowest id; a record goes only if one that stays is
    as similar as the bound on similarity says (without a bound: as `threshold` does). Larger lists are cut into
    clusters by k-means, and only records of one cluster are compared; the report says how many neighbours that misses.
    SemDeDup: Abbas et al. 2023, arXiv 2303.09540. Needs the extra train.
    """
    limit = limit_of(stream.keep.get("similarity"), threshold)
    folder = stream.once("embeddings", {"model": _fingerprint(model), "by": by}, _Embed(stream, str(model), by))
    embedded = _embedded(folder, stream.shards, stream.seed)
    back = Back(stream.scratch / "found")
    compare = _Compare(embedded, limit, back)
    removed = sum(stream.executor.map(compare, range(embedded.count), lane="threads"))
    for shard in stream.shards:
        yield _table(back, shard, stream.read(shard, ["id"]).num_rows)
    return _story(embedded, limit, removed)


def limit_of(bound: Bound | None, threshold: float) -> float:
    """The least cosine that removes a record."""
    if bound is None:
        return threshold
    if bound.below is None and bound.max is None:
        raise UserError(f"semantic_dedup: similarity is bounded by {bound}.", "Bound it from above: {below: 0.95}.")
    if isinstance(bound.below, str) or isinstance(bound.max, str):
        raise UserError("semantic_dedup: similarity is bounded by a quantile.", "Give a number: {below: 0.95}.")
    limits = [bound.below, None if bound.max is None else np.nextafter(bound.max, 2)]
    return float(min(limit for limit in limits if limit is not None))


def _fingerprint(model: str) -> str:
    files = sorted(path for path in Path(model).rglob("*") if path.is_file())
    return key_of([[path.relative_to(model).as_posix(), file_sha256(path)] for path in files])


@dataclass(frozen=True)
class _Embed:
    """Writes the vectors of all records that have a text, and what decides which of like ones stays."""

    stream: Stream
    model: str
    by: Where | None

    def __call__(self, folder: Path) -> None:
        task = _EmbedShard(self.stream.rows, self.model, self.by, folder)
        list(self.stream.executor.map(task, self.stream.shards, lane="threads"))


@dataclass(frozen=True)
class _EmbedShard:
    rows: Rows
    model: str
    by: Where | None
    folder: Path

    def __call__(self, shard: int) -> None:
        from tunesmith.models.embeddings import embeddings

        table = self.rows.read(shard, ["id", *NEEDED])
        texts = texts_of(table, self.by).to_pylist()
        given = [row for row, text in enumerate(texts) if text]
        rows = np.zeros(len(given), ROW)
        ids = table["id"].to_pylist()
        rows["shard"], rows["row"] = shard, given
        rows["length"], rows["id"] = [len(texts[row]) for row in given], [ids[row].encode() for row in given]
        np.save(self.folder / f"{shard:05d}.rows.npy", rows)
        np.save(self.folder / f"{shard:05d}.npy", embeddings(self.model, [texts[row] for row in given]))


@dataclass(frozen=True)
class _Embedded:
    """The vectors of all shards, in files, and the clusters that they fall into."""

    vectors: Sequence[Vectors]
    rows: Sequence[NDArray[np.void]]
    clusters: Sequence[NDArray[np.int64]]
    count: int

    def of(self, cluster: int) -> tuple[NDArray[np.void], Vectors]:
        """The records of a cluster, the one that would stay first, and their vectors."""
        places = [np.flatnonzero(found == cluster) for found in self.clusters]
        rows = np.concatenate([found[place] for found, place in zip(self.rows, places, strict=True)])
        vectors = np.concatenate([found[place] for found, place in zip(self.vectors, places, strict=True)])
        order = np.lexsort((rows["id"], -rows["length"]))
        return rows[order], vectors[order]


def _embedded(folder: Path, shards: range, seed: int) -> _Embedded:
    vectors = [np.load(folder / f"{shard:05d}.npy", mmap_mode="r") for shard in shards]
    rows = [np.load(folder / f"{shard:05d}.rows.npy", mmap_mode="r") for shard in shards]
    total = sum(map(len, rows))
    count = max(1, -(-total // CLUSTER_ROWS))
    step = max(1, total // (SAMPLE * count))
    sample = np.concatenate([found[::step] for found in vectors]) if vectors else np.zeros((0, 1), np.float32)
    centres = centres_of(sample, count, seed)
    clusters = [nearest_centre(found, centres) if len(found) else np.zeros(0, np.int64) for found in vectors]
    return _Embedded(vectors, rows, clusters, count)


@dataclass(frozen=True)
class _Compare:
    """Finds, in one cluster, the records that are as similar as the limit to one that stays; gives how many."""

    embedded: _Embedded
    limit: float
    back: Back

    def __call__(self, cluster: int) -> int:
        rows, vectors = self.embedded.of(cluster)
        taken = take(vectors, [self.limit])
        goes = np.ones(len(rows), bool)
        goes[taken.order] = False
        found = np.zeros(len(rows), FOUND)
        found["shard"], found["row"], found["similarity"] = rows["shard"], rows["row"], taken.similarity
        found["survivor"][goes] = rows["id"][taken.nearest[goes]]
        self.back.write(cluster, found)
        return int(goes.sum())


def _table(back: Back, shard: int, rows: int) -> pa.Table:
    found = back.of_shard(shard)
    similarity, survivors = np.full(rows, np.nan), np.full(rows, b"", "S32")
    similarity[found["row"]], survivors[found["row"]] = found["similarity"], found["survivor"]
    names = [name.decode() or None for name in survivors.tolist()]
    measured = pa.array(similarity.tolist(), pa.float64(), from_pandas=True)  # NaN is null
    return pa.table([measured, pa.array(names, pa.string())], names=list(MEASURES))


def _story(embedded: _Embedded, limit: float, removed: int) -> dict[str, object]:
    total = sum(map(len, embedded.rows))
    sentences = [f"{removed:,} of {total:,} records have a cosine of {limit:g} or more with one that stays."]
    found: dict[str, object] = {"compared": total, "removed": removed, "clusters": embedded.count}
    if embedded.count > 1:
        pairs, met = _recall(embedded, limit)
        found |= {"pairs": pairs, "pairs_in_one_cluster": met}
        sentences.append(
            f"Records were compared within {embedded.count:,} clusters: of {pairs:,} pairs so like that a sample makes "
            f"with all records, {met:,} stand in one cluster."
        )
    return {"sentences": sentences, **found}


def _recall(embedded: _Embedded, limit: float) -> tuple[int, int]:
    """How many pairs a sample of records makes with all others at this limit, and how many stand in one cluster."""
    step = max(1, sum(map(len, embedded.rows)) // CHECKED)
    sample = np.concatenate([found[::step] for found in embedded.vectors])
    clusters = np.concatenate([found[::step] for found in embedded.clusters])
    pairs = met = 0
    for vectors, own in zip(embedded.vectors, embedded.clusters, strict=True):
        for start in range(0, len(vectors), CLUSTER_ROWS):
            one, other = np.nonzero(sample @ vectors[start : start + CLUSTER_ROWS].T >= limit)
            pairs += len(one)
            met += int((clusters[one] == own[start + other]).sum())
    return pairs - len(sample), met - len(sample)  # each is its own neighbour
