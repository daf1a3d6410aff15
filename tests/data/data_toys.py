"""What the tests of operations share: batches from dicts, and operations by their names or from a file of functions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pyarrow as pa

from tunesmith.core.record import Where
from tunesmith.core.registry import Named
from tunesmith.data.op import Op
from tunesmith.data.rows import to_batch

FUNCTIONS = str(Path(__file__).parent)
HI = {"role": "user", "content": "hi"}
HELLO = {"role": "assistant", "content": "hello"}


def batch_of(*rows: Mapping[str, object]) -> pa.RecordBatch:
    batch, quarantined = to_batch(rows, source="toys", domain="play", license="MIT")
    assert not quarantined
    return batch


def documents(*texts: str) -> pa.RecordBatch:
    return batch_of(*({"text": text, "uri": "toys.txt", "line": line} for line, text in enumerate(texts, 1)))


def op(kind: Literal["signal", "edit", "make"], name: str, on: Where | None = None, **parameters: object) -> Op:
    """An operation; a name that begins with a dot is a function of toy_functions.py."""
    named = Named(kind, f"./toy_functions.py:{name[1:]}" if name.startswith(".") else name, FUNCTIONS)
    return Op(kind, named, named.label, parameters, on)
