"""Edits and makers on one batch: what changes its records, and what makes others of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from tunesmith.core.errors import UserError
from tunesmith.core.record import COLUMNS, MESSAGE_COLUMNS, TEXT_COLUMNS, record_id
from tunesmith.data.arrays import arrow
from tunesmith.data.ask import Call, Sight, records_of
from tunesmith.data.op import Op
from tunesmith.data.rows import Misfit, fit, fit_column, from_fitted
from tunesmith.data.step import Dropped, Step, joined, with_column
from tunesmith.data.texts import column_of

FIXED = ("id", "source", "origin", "parents")  # what an edit cannot change
INHERITED = ("source", "domain", "group", "license", "origin", "part")


def edit(sight: Sight, op: Op, call: Call) -> Step:
    """Change every text column (a function of text or texts), or the columns that a function of the record returns."""
    if call.asks not in (("text",), ("texts",), ("record",)):
        asks = ", ".join(call.asks)
        raise UserError(f"{op.label}: an edit asks for text, texts or record, not {asks}.", "Change its parameters.")
    changed = _edit_record if call.asks == ("record",) else _edit_texts
    return Step(Sight(changed(sight.batch, call)))


def _edit_texts(batch: pa.RecordBatch, call: Call) -> pa.RecordBatch:
    for name in TEXT_COLUMNS:
        if name in batch.schema.names:
            batch = with_column(batch, name, _changed(column_of(batch, name), call))
    for name in MESSAGE_COLUMNS:
        if name in batch.schema.names:
            batch = with_column(batch, name, _changed_turns(batch[name], call))
    return batch


def _changed(texts: pa.StringArray, call: Call) -> pa.StringArray:
    if call.is_batch_form:
        result = call.on_batch([texts])
        if not isinstance(result, pa.Array | pa.ChunkedArray) or len(result) != len(texts):
            raise TypeError("an edit of texts gives an Arrow array of as many texts")
        return (result.combine_chunks() if isinstance(result, pa.ChunkedArray) else result).cast(pa.string())
    given = texts.to_pylist()
    some = [text for text in given if text is not None]
    results = call.on_rows([some])
    return pa.array([None if text is None else _text(next(results)) for text in given], pa.string())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"an edit of text gives text, not {type(value).__name__}")
    return value


def _changed_turns(turns: pa.ListArray, call: Call) -> pa.ListArray:
    """The same turns with their contents changed."""
    messages = turns.flatten()
    fields = list(messages.type)
    arrays = [messages.field(number) for number in range(len(fields))]
    content = messages.type.get_field_index("content")
    arrays[content] = _changed(arrays[content], call)
    counts = turns.value_lengths().fill_null(0).to_numpy()
    bounds = arrow(np.concatenate([[0], np.cumsum(counts)])).cast(pa.int32())
    changed = pa.StructArray.from_arrays(arrays, fields=fields)
    return pa.ListArray.from_arrays(bounds, changed, type=turns.type, mask=turns.is_null())


def _edit_record(batch: pa.RecordBatch, call: Call) -> pa.RecordBatch:
    results = list(call.on_rows([records_of(batch)]))
    for result in results:
        if not isinstance(result, Mapping):
            raise TypeError(f"an edit of a record gives a dict of columns, not {type(result).__name__}")
    changes = [result for result in results if isinstance(result, Mapping)]
    for name in dict.fromkeys(name for change in changes for name in change):
        batch = _with_changes(batch, str(name), changes)
    return batch


def _with_changes(batch: pa.RecordBatch, name: str, changes: Sequence[Mapping[str, object]]) -> pa.RecordBatch:
    """The batch with what the changes have for this column; a column that no row has any more is left out."""
    if name in FIXED or name not in COLUMNS:
        able = ", ".join(column for column in COLUMNS if column not in FIXED)
        raise UserError(f"an edit cannot change {name!r}.", f"It can change {able}; other values go into meta.")
    old = batch[name].to_pylist() if name in batch.schema.names else [None] * batch.num_rows
    new = [
        fit_column(name, change[name]) if name in change else value for change, value in zip(changes, old, strict=True)
    ]
    if all(value is None for value in new):
        return batch.drop_columns([name]) if name in batch.schema.names else batch
    return with_column(batch, name, pa.array(new, COLUMNS[name]))


def make(sight: Sight, op: Op, call: Call) -> Step:
    """Put the records that each record becomes in its place; a record that is yielded unchanged stays."""
    if call.asks != ("record",):
        raise UserError(f"{op.label}: a maker asks for record, not {', '.join(call.asks)}.", "Change its parameters.")
    kept, places, made = [], [], []
    dropped: list[Dropped] = []
    for row, (record, result) in enumerate(_becomes(sight.batch, call)):
        children = [child for child in result if child != record]
        if len(children) < len(result):
            kept.append(row)
        else:
            why = f"became {len(children)} record{'' if len(children) == 1 else 's'}" if children else "nothing made"
            dropped.append((str(record["id"]), op.label, why))
        made += [_child(child, record, op.label, ordinal) for ordinal, child in enumerate(children)]
        places += [row] * len(children)
    return Step(Sight(_in_place(sight.batch, kept, from_fitted(made), places)), dropped, len(made))


def _becomes(
    batch: pa.RecordBatch, call: Call
) -> Iterable[tuple[Mapping[str, object], Sequence[Mapping[str, object]]]]:
    """Each record with the records that the maker yields for it."""
    records = records_of(batch)
    for record, result in zip(records, call.on_rows([[dict(record) for record in records]]), strict=True):
        found = [result] if isinstance(result, Mapping) else list(result) if isinstance(result, Iterable) else []
        for child in found:
            if not isinstance(child, Mapping):
                raise TypeError(f"a maker yields records as dicts, not {type(child).__name__}")
        yield record, found


def _child(given: Mapping[str, object], parent: Mapping[str, object], label: str, ordinal: int) -> dict[str, object]:
    """A made record: what the maker gave, its parent's origin, and an id of its own."""
    own = {name: value for name, value in given.items() if name in COLUMNS and name not in (*FIXED, "domain", "weight")}
    if extra := [name for name in given if name not in COLUMNS and not name.startswith("signal.")]:
        raise Misfit(f"made records have no column {extra[0]!r}; other values go into meta")
    inherited = {name: parent.get(name) for name in INHERITED}
    facts = {"id": record_id(label, str(parent["id"]), ordinal), "parents": [parent["id"]]}
    return {**inherited, **fit(own), **facts}


def _in_place(
    batch: pa.RecordBatch, kept: Sequence[int], made: pa.RecordBatch, places: Sequence[int]
) -> pa.RecordBatch:
    """The kept rows, each followed by what was made of it or stands in its place."""
    rows = np.array([*kept, *places], np.int64)
    stays = batch.take(pa.array(kept, pa.int64()))
    both = joined([stays, made]) if made.num_rows and stays.num_rows else made if made.num_rows else stays
    return both.take(arrow(np.argsort(rows, kind="stable")))
