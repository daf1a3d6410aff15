"""Rows as a source gives them become an Arrow batch in the house's schema; what does not fit is quarantined.

Most sources give dicts (`to_batch`), fast readers whole batches (`columnar_batch`); the same content gets the same ids.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import cast

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.hashing import canonical_json
from tunesmith.core.record import COLUMNS, ORIGIN, Record, message, record_id, schema_of

PLACE = ("uri", "line", "offset", "date")
GIVEN_BY_SOURCE = (
    *("text", "messages", "tools", "chosen", "rejected", "margin", "desirable", "target", "group", "license"),
)
CONTENT_COLUMNS = (*GIVEN_BY_SOURCE, "meta")  # what a row without a key is known by
NOT_CONTENT = frozenset({"quarantine", "key", "origin", "meta", *PLACE, *GIVEN_BY_SOURCE})
FLAGS = {"true": True, "false": False}
ROLE, CONTENT = "role", "content"
BIGGEST = 1 << 63
LARGE_BYTES = 1 << 18  # of a batch: for a smaller one, compiled code saves nothing


class Misfit(ValueError):
    """A value that the schema has no place for, with the column and what was found there."""


def to_batch(
    rows: Sequence[Record],
    *,
    source: str,
    domain: str | None = None,
    license: str | None = None,
) -> tuple[pa.RecordBatch, list[dict[str, object]]]:
    """The rows as a batch (unused columns absent), and those that do not fit as quarantine entries, in order.

    `license` stands where a row names none. Known keys become columns, all others one JSON string in `meta`. Equal
    rows have equal ids here; `settle.settle_ids` tells them apart.
    """
    fitted: list[dict[str, object]] = []
    quarantined: list[dict[str, object]] = []
    for row in rows:
        if "quarantine" in row:
            quarantined.append(_entry(row["quarantine"]))
            continue
        try:
            content, origin = fit(row), _origin(row)
        except Misfit as error:
            quarantined.append(_unfit(row, error))
            continue
        key = row.get("key")
        row_id = record_id(source, _dump(content) if key is None else str(key))
        own = {"id": row_id, "source": source, "domain": domain, "license": content.get("license") or license}
        fitted.append({**content, **own, "origin": origin})
    return from_fitted(fitted), quarantined


def columnar_batch(
    batch: pa.RecordBatch,
    *,
    source: str,
    domain: str | None = None,
    license: str | None = None,
) -> tuple[pa.RecordBatch, list[dict[str, object]]]:
    """The same for a batch that a fast reader gives: columns of the schema, `meta` as JSON, `key` and a row's place."""
    batch, quarantined = _valid(batch)
    count = batch.num_rows
    given = {name: batch[name].cast(COLUMNS[name]) for name in CONTENT_COLUMNS if name in batch.schema.names}
    used = {name: column for name, column in given.items() if column.null_count < count}
    own = {"id": _ids(batch, used, source), "source": pa.repeat(pa.scalar(source), count)}
    own |= {"domain": pa.repeat(pa.scalar(domain), count)} if domain else {}
    if named := _licenses(used.get("license"), license, count):
        own["license"] = named
    if places := [name for name in PLACE if name in batch.schema.names]:
        fields = [batch[field.name] if field.name in places else pa.nulls(count) for field in ORIGIN]
        own["origin"] = pa.StructArray.from_arrays(
            [column.cast(field.type) for column, field in zip(fields, ORIGIN, strict=True)], fields=list(ORIGIN)
        )
    columns = {**used, **own}
    schema = schema_of(columns) if count else schema_of({"id"})
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema), quarantined


def _valid(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[dict[str, object]]]:
    """The rows whose text is UTF-8 throughout, and those that have other bytes somewhere."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        rows = [batch.slice(row, 1) for row in range(batch.num_rows)]
        errors = [_fault(row) for row in rows]
        good = pa.array([not error for error in errors])
        entries = [_invalid(row, error) for row, error in zip(rows, errors, strict=True) if error]
        return batch.filter(good), entries
    return batch, []


def _fault(row: pa.RecordBatch) -> str:
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            return f"{name} is not UTF-8"
    return ""


def _invalid(row: pa.RecordBatch, error: str) -> dict[str, object]:
    place = {name: row[name][0].as_py() if name in row.schema.names else None for name in PLACE[:3]}
    text = row[error.partition(" ")[0]]
    return {**place, "error": error, "raw": text.cast(pa.binary())[0].as_py() if pa.types.is_string(text.type) else ""}


def _ids(batch: pa.RecordBatch, content: Mapping[str, pa.Array], source: str) -> pa.Array:
    if "key" in batch.schema.names and not batch["key"].null_count:
        return pa.array([record_id(source, key) for key in batch["key"].to_pylist()], pa.string())
    contents: Iterable[bytes]
    compiled = batch.nbytes >= LARGE_BYTES and "numba" in sys.modules  # to load it for this alone takes too long
    if compiled and all(pa.types.is_string(column.type) for column in content.values()):
        from tunesmith.data.kernels.json_text import json_objects

        data, ends = json_objects(content)
        view = cast(bytes, data.data)  # a memoryview: hashed without a copy
        contents = (view[start:stop] for start, stop in pairwise(ends.tolist()))
    else:
        rows = pa.RecordBatch.from_pydict(dict(content)).to_pylist() if content else [{}] * batch.num_rows
        contents = (_dump({name: value for name, value in row.items() if value is not None}) for row in rows)
    return pa.array([record_id(source, key) for key in contents], pa.string())


def _licenses(given: pa.Array | None, license: str | None, count: int) -> pa.Array | None:
    """The licences of the rows, with the source's where a row has none (an empty text is none)."""
    if given is None:
        return pa.repeat(pa.scalar(license), count) if license else None
    return pc.coalesce(pc.if_else(pc.equal(given, ""), None, given), pa.scalar(license, pa.string()))


def fit(row: Record) -> dict[str, object]:
    """The columns that a row gives, in the types of the schema; raises Misfit where a value has another type."""
    columns = {name: FIT[name](row[name], name) for name in GIVEN_BY_SOURCE if row.get(name) is not None}
    meta = _meta(row)
    return {**columns, "meta": _text_of_json(meta, "meta")} if meta else columns


def from_fitted(rows: Sequence[Mapping[str, object]]) -> pa.RecordBatch:
    """A batch of rows whose values fit the schema; a column that no row uses is absent."""
    used = {name for row in rows for name, value in row.items() if value is not None}
    return pa.RecordBatch.from_pylist(list(rows), schema_of(used | {"id"}))


def fit_column(name: str, value: object) -> object:
    """One value in the type of its column; raises Misfit. None stays None."""
    if value is None:
        return None
    if name == "meta":
        return value if isinstance(value, str) else _text_of_json(value, name)
    return FIT[name](value, name)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise Misfit(f"{name} is {_shown(value)}, not text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Misfit(f"{name} holds half a character (a lone surrogate) at {error.start}") from None
    return value


def _label(value: object, name: str) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if whole else _text(value, name)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Misfit(f"{name} is {_shown(value)}, not a number")
    return float(value)


def _flag(value: object, name: str) -> bool:
    if isinstance(value, str) and value.lower() in FLAGS:  # as tables without types write it
        return FLAGS[value.lower()]
    if not isinstance(value, bool):
        raise Misfit(f"{name} is {_shown(value)}, not true or false")
    return value


def _json(value: object, name: str) -> str:
    return _text(value, name) if isinstance(value, str) else _text_of_json(value, name)


def _turns(value: object, name: str) -> list[dict[str, object]]:
    if isinstance(value, str):
        return [dict(message("assistant", _text(value, name)))]
    return _messages(value, name)


def _messages(value: object, name: str) -> list[dict[str, object]]:
    if not isinstance(value, list | tuple):
        raise Misfit(f"{name} is {_shown(value)}, not a list of messages")
    return [_message(item, f"{name}[{number}]") for number, item in enumerate(value)]


def _message(item: object, where: str) -> dict[str, object]:
    if not isinstance(item, Mapping) or ROLE not in item:
        raise Misfit(f"{where} is {_shown(item)}, not a message with role and content")
    content, name, calls, called, weight = (
        item.get(key) for key in (CONTENT, "name", "tool_calls", "tool_call_id", "weight")
    )
    return {
        ROLE: _text(item[ROLE], f"{where}.role"),
        CONTENT: None if content is None else _text(content, f"{where}.content"),
        "name": None if name is None else _text(name, f"{where}.name"),
        "tool_calls": None if calls is None else _json(calls, f"{where}.tool_calls"),
        "tool_call_id": None if called is None else _text(called, f"{where}.tool_call_id"),
        "weight": None if weight is None else _number(weight, f"{where}.weight"),
    }


FIT: dict[str, Callable[[object, str], object]] = {
    "text": _text,
    "target": _text,
    "messages": _messages,
    "chosen": _turns,
    "rejected": _turns,
    "margin": _number,
    "desirable": _flag,
    "tools": _json,
    "group": _label,
    "license": _text,
    "domain": _text,
    "weight": _number,
}


def _meta(row: Record) -> dict[str, object]:
    """All that has no column of its own; a `meta` of the row is merged in, unless that would hide a value."""
    rest = {name: value for name, value in row.items() if name not in NOT_CONTENT}
    given = row.get("meta")
    if given is None:
        return rest
    if isinstance(given, Mapping) and not given.keys() & rest.keys():
        return {**given, **rest}
    return {**rest, "meta": given}


def _origin(row: Record) -> dict[str, object] | None:
    given = row.get("origin")
    place = {**(given if isinstance(given, Mapping) else {}), **{name: row[name] for name in PLACE if name in row}}
    if not place:
        return None
    return {name: _place(place.get(name), name) for name in (field.name for field in ORIGIN)}


def _place(value: object, name: str) -> str | int | None:
    if value is None:
        return None
    if name in ("uri", "date"):
        return _label(value, name)
    if isinstance(value, bool) or not isinstance(value, int) or not -BIGGEST <= value < BIGGEST:
        raise Misfit(f"{name} is {_shown(value)}, not a whole number of 64 bits")
    return value


def _dump(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _text_of_json(value: object, name: str) -> str:
    try:
        return _dump(value).decode()
    except TypeError:  # integers beyond 64 bits, sets, paths, keys that are not text
        pass
    try:
        text = canonical_json(value)
    except (TypeError, ValueError) as error:
        raise Misfit(f"{name} cannot be written as JSON: {error}") from None
    return _text(text, name)


def _entry(given: object) -> dict[str, object]:
    return dict(given) if isinstance(given, Mapping) else {"error": str(given)}


def _unfit(row: Record, error: Misfit) -> dict[str, object]:
    given = row.get("origin")
    place = {**(given if isinstance(given, Mapping) else {}), **row}
    raw = {name: value for name, value in row.items() if name not in (*PLACE, "origin", "key")}
    return {**{name: place.get(name) for name in ("uri", "line", "offset")}, "error": str(error), "raw": as_raw(raw)}


def as_raw(row: Record) -> str:
    """A row as JSON for quarantine, whatever it holds."""
    try:
        return orjson.dumps(row, default=repr, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # lone surrogates, integers beyond 64 bits
        return json.dumps(row, default=repr, sort_keys=True)


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"
