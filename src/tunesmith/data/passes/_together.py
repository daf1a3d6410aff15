"""What keeps records together: values in columns of the record, of its meta, of signals, and clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import hash128
from tunesmith.core.record import COLUMNS, SIGNAL
from tunesmith.core.registry import near
from tunesmith.data.passes.exact_dedup import normalised
from tunesmith.data.stream import Stream
from tunesmith.data.texts import NEEDED, column_of, texts_of

NEAR = "near_duplicates"
CLUSTER = ".cluster"
META = "meta."
RECORD = tuple(name for name, kind in COLUMNS.items() if kind == pa.string() and name != "meta")
NONE = np.uint64(0)  # the key of no value

Keys = NDArray[np.uint64]


def columns_of(stream: Stream, names: Sequence[str], *, asks: str = "split") -> tuple[str, ...]:
    """The columns that names in a recipe stand for; raises UserError for one that nothing gives."""
    return tuple(dict.fromkeys(column for name in names for column in _columns(stream, name, asks)))


def _columns(stream: Stream, name: str, asks: str) -> tuple[str, ...]:
    if name in RECORD or name.startswith(META):
        return (name,)
    measured = [column for column in stream.dataset.columns if column.startswith(SIGNAL)]
    if name == NEAR:
        clusters = tuple(column for column in measured if column.endswith(CLUSTER))
        if not clusters:
            hint = "Put - pass: near_dedup before it, and no edit between them."
            raise UserError(f"{asks}: it goes by near_duplicates, and no step before it has found any.", hint)
        return clusters
    for column in (f"{SIGNAL}{name}{CLUSTER}", f"{SIGNAL}{name}"):
        if column in measured:
            return (column,)
    known = [*RECORD, NEAR, *(column.removeprefix(SIGNAL) for column in measured)]
    raise UserError(f"{asks}: there is no column {name!r}.", f"{near(name, known)} A field of meta is meta.NAME.")


def needed(columns: Sequence[str]) -> list[str]:
    """What to read of a shard, so that these columns can be told."""
    return list(dict.fromkeys("meta" if column.startswith(META) else column for column in columns))


def values_of(table: pa.Table, column: str) -> pa.StringArray:
    """The value of each record in a column, as text; null where it has none."""
    if not column.startswith(META):
        return column_of(table, column)
    field = column.removeprefix(META)
    parsed = (orjson.loads(meta) if meta else {} for meta in column_of(table, "meta").to_pylist())
    given = (fields.get(field) for fields in parsed)
    return pa.array([None if value is None else str(value) for value in given], pa.string())


def hashes_of(values: pa.StringArray, name: str, salt: str) -> list[bytes | None]:
    """16 bytes for each value, with the name of its column; nothing for null."""
    encoded = values.dictionary_encode()
    known = [hash128([salt, f"{name}={value}"]) for value in encoded.dictionary.to_pylist()]
    return [None if place is None else known[place] for place in encoded.indices.to_pylist()]


def keys_of(table: pa.Table, columns: Sequence[str], salt: str) -> Keys:
    """The key of each record in each of these columns, one line a record; NONE where it has no value.

    A key is the first 8 bytes of a hash: two values that met in one would merely be kept together.
    """
    keys = np.zeros((table.num_rows, len(columns)), np.uint64)
    for place, column in enumerate(columns):
        keys[:, place] = short(hashes_of(values_of(table, column), column, salt))
    return keys


def short(hashes: Sequence[bytes | None]) -> Keys:
    """The first 8 bytes of hashes as numbers in the same order as the bytes; NONE of None."""
    packed = b"".join(bytes(8) if given is None else given[:8] for given in hashes)
    return np.frombuffer(packed, ">u8").astype(np.uint64)


def contents_of(table: pa.Table) -> list[str]:
    """The normalised text of each record, read with NEEDED and id; its id, if it has none."""
    texts = pc.coalesce(texts_of(table), column_of(table, "id")).to_pylist()
    return [normalised(text) for text in texts]


TO_TELL_CONTENT = ("id", *NEEDED)
