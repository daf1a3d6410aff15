"""A signal that learns from the rows before it: how far a text's length is from the mean length."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from tunesmith.core.record import Fitted, LocalPath


def fit(texts: Iterator[pa.StringArray], folder: Path, *, extra: LocalPath | None = None) -> None:
    lengths = [len(text) for batch in texts for text in batch.to_pylist() if text]
    if extra:
        lengths.append(len(Path(extra).read_text("utf-8")))
    (folder / "mean.json").write_text(json.dumps(sum(lengths) / len(lengths)), "utf-8")


def oddness(text: str, *, extra: LocalPath | None = None, model: Fitted) -> float:
    return abs(len(text) - float(json.loads((Path(model) / "mean.json").read_text("utf-8"))))
