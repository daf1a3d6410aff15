"""Values that a function gave, as Arrow arrays: numbers, truth values and texts, null where there is none."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ARROW: dict[object, pa.DataType] = {
    bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(),
}  # fmt: skip
# numpy reads headers with Python's own parser, which threads of Python 3.11 may confuse (cpython issue 106905).
_HEADERS = Lock()
NUMBERS = {"b": pa.bool_(), "i": pa.int64(), "u": pa.int64(), "f": pa.float64()}  # by NumPy's kind


def load_array(path: Path, *, mmap_mode: Literal["r", "c"] | None = None) -> NDArray[Any]:
    """An array of an .npy file; several threads may load at the same time."""
    with _HEADERS:
        found: NDArray[Any] = np.load(path, mmap_mode=mmap_mode)
    return found


def arrow(values: NDArray[np.generic]) -> pa.Array:
    """A NumPy array of numbers or truth values as an Arrow array, without the import of pandas that pa.array costs."""
    kind = NUMBERS[values.dtype.kind]
    if kind == pa.bool_():
        packed = np.packbits(values.astype(np.bool_), bitorder="little")
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(packed)])
    wide = np.ascontiguousarray(values, np.float64 if kind == pa.float64() else np.int64)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(wide)])


def measured_array(values: object, kind: pa.DataType | None, rows: int) -> pa.Array:
    """What a function measured on this many rows as one array of its declared kind, or of the kind it turned out to be.

    Raises TypeError for what is no number, truth value or text, ValueError if the number of values is not that of rows.
    """
    array = _array(values, kind)
    if len(array) != rows:
        raise ValueError(f"{len(array)} values for {rows} rows")
    return array if kind is None or array.type == kind else array.cast(kind)


def _array(values: object, kind: pa.DataType | None) -> pa.Array:
    if isinstance(values, np.ndarray) and values.dtype.kind in NUMBERS:
        return arrow(values)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return _widened(values)
    if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray):
        raise TypeError(f"a {type(values).__name__} where one value for each row belongs")
    for value in values:
        if value is not None and not isinstance(value, bool | int | float | str | np.generic):
            raise TypeError(f"a {type(value).__name__} where a number, true or false, or text belongs")
    wants_float = kind == pa.float64()
    return _widened(pa.array(list(values), kind if wants_float else None))


def _widened(array: pa.Array) -> pa.Array:
    """Integers as int64, floats as float64, texts as string; whatever else is no measurement."""
    kind = array.type
    for is_kind, wide in (
        (pa.types.is_integer, pa.int64()),
        (pa.types.is_floating, pa.float64()),
        (pa.types.is_large_string, pa.string()),
        (pa.types.is_string_view, pa.string()),
    ):
        if is_kind(kind):
            return array.cast(wide)
    if kind not in (pa.bool_(), pa.string(), pa.null()):
        raise TypeError(f"an array of {kind} where numbers, truth values or texts belong")
    return array


@cache
def declared_kind(function: Callable[..., object]) -> pa.DataType | None:
    """The Arrow type of what a function says it returns for a row, such as `int | None` or `dict[str, float]`."""
    given = getattr(function, "__annotations__", {}).get("return")
    if isinstance(given, str):
        try:
            given = eval(given, dict(getattr(function, "__globals__", {})))  # the file's own annotation, a string there
        except NameError:  # imported for type checkers only
            return None
    return _kind(given)


def _kind(hint: object) -> pa.DataType | None:
    if get_origin(hint) in (Union, types.UnionType):
        kinds = {part for part in get_args(hint) if part is not type(None)}
        return ARROW[float] if kinds == {int, float} else _kind(kinds.pop()) if len(kinds) == 1 else None
    origin = get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _kind(get_args(hint)[1])
    return ARROW.get(hint) if isinstance(hint, type) else None
