"""How many personal identifiers and secrets stand in a text, by kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.data.identifiers import KINDS, Kind, finds

VERSION = 1
MEASURES = ("total", *KINDS)


def pii(texts: pa.StringArray, *, kinds: Sequence[Kind] = KINDS) -> dict[str, NDArray[np.int64]]:
    """Number of e-mail addresses, phone and card numbers, keys and other identifiers: of each kind, and in total.

    What counts is what the edit redact_pii would redact.

    >>> counts = pii(pa.array(["jo@example.org, 203.0.113.9 and al@example.org", "version 1.2.3"]))
    >>> counts["email"].tolist(), counts["ip"].tolist(), counts["total"].tolist()
    ([2, 0], [1, 0], [3, 0])
    >>> list(pii(pa.array(["4111 1111 1111 1111"]), kinds=["card"]).items())
    [('total', array([1])), ('card', array([1]))]
    >>> pii(pa.array(["order 4111 1111 1111 1112"]))["card"].tolist()
    [0]
    """
    found = finds(texts, kinds)
    counts: dict[str, NDArray[np.int64]] = {name: found.counts(name) for name in kinds}
    return {"total": np.asarray(sum(counts.values(), np.zeros(len(texts), np.int64))), **counts}
