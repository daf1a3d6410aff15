"""How varied a dataset is: shares by source, domain and language, their entropy, and distinct n-grams."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from tunesmith.data.dataset import Dataset
from tunesmith.data.funnel import chain
from tunesmith.data.texts import NEEDED, texts_of

SAMPLE_TEXTS = 2_000  # from all shards, in which n-grams are counted
SAMPLE_CHARACTERS = 1_000  # of each
DOMINANT = 0.8  # a share from which one source or language is the dataset
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Share:
    """The records of one value of a column: how many came in, and how many were kept."""

    came: int = 0
    kept: int = 0


def shares(dataset: Dataset, column: str) -> dict[str, Share]:
    """How many records each value of a column had and kept, the most kept first; empty where it was not measured."""
    first = next((link for link in chain(dataset) if column in link.columns), None)
    if first is None or column not in dataset.columns:
        return {}
    came, kept = _counts(first, column, kept=False), _counts(dataset, column, kept=True)
    names = sorted(came | kept, key=lambda name: (-kept[name], -came[name], name))
    return {name: Share(max(came[name], kept[name]), kept[name]) for name in names}


def _counts(dataset: Dataset, column: str, *, kept: bool) -> Counter[str]:
    found: Counter[str] = Counter()
    for shard in range(dataset.shards):
        for pair in dataset.read(shard, [column], kept=kept)[column].value_counts().to_pylist():
            found[str(pair["values"] or "unknown")] += pair["counts"]
    return found


def entropy(counts: Mapping[str, Share]) -> float | None:
    """Shannon entropy of the kept records over these values, in bits; None of none.

    >>> entropy({"a": Share(4, 2), "b": Share(2, 2)})
    1.0
    """
    kept = np.array([share.kept for share in counts.values() if share.kept], float)
    if not len(kept):
        return None
    parts = kept / kept.sum()
    return float(abs(-(parts * np.log2(parts)).sum()))


def dominant(counts: Mapping[str, Share]) -> tuple[str, float] | None:
    """The one of several values that makes up more than DOMINANT of what was kept, with its share.

    >>> dominant({"web": Share(95, 95), "books": Share(5, 5)})
    ('web', 0.95)
    """
    whole = sum(share.kept for share in counts.values())
    if len([1 for share in counts.values() if share.kept]) < 2:
        return None
    name, most = max(((name, share.kept) for name, share in counts.items()), key=lambda item: item[1])
    return (name, most / whole) if most > DOMINANT * whole else None


@dataclass
class Distinct:
    """How many n-grams of words are different, of all that were counted."""

    seen: set[str] = field(default_factory=set)
    total: int = 0

    @property
    def share(self) -> float | None:
        """Distinct n-grams as a share of all (distinct-n: Li et al. 2016, arXiv 1510.03055)."""
        return len(self.seen) / self.total if self.total else None


def distinct_ngrams(dataset: Dataset, n: int = 2) -> Distinct:
    """The n-grams of words in a sample of the kept texts: the same number from the beginning of every shard."""
    found = Distinct()
    for text in _sample(dataset):
        words = [word.lower() for word in WORD.findall(text)]
        grams = list(zip(*(words[start:] for start in range(n)), strict=False))
        found.seen |= {" ".join(gram) for gram in grams}
        found.total += len(grams)
    return found


def _sample(dataset: Dataset) -> Iterator[str]:
    each = -(-SAMPLE_TEXTS // max(1, dataset.shards))
    for shard in range(dataset.shards):
        texts = texts_of(dataset.read(shard, NEEDED).slice(0, each))
        yield from pc.utf8_slice_codeunits(texts.drop_null(), 0, SAMPLE_CHARACTERS).to_pylist()
