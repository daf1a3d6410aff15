"""Which text of a record is meant: a document's, or the prompt, the answer or the whole of a conversation or pair."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.core.record import MESSAGE_COLUMNS, MESSAGES, Where
from tunesmith.data.arrays import arrow

NEEDED = ("text", *MESSAGE_COLUMNS)  # the columns to read for texts_of


def texts_of(rows: pa.RecordBatch | pa.Table, on: Where | None = None) -> pa.StringArray:
    r"""The text of each row that is measured, null where there is none.

    `text` is a document's; of a conversation, `answer` is its last turn if that is the assistant's, `prompt` all turns
    before it and `whole` all turns; of a pair, `prompt` is its messages and `whole` those, the chosen and the rejected
    turns. Turns are joined by `\n`. Without `on`: the whole of conversations and pairs, the text of documents.
    """
    if on is None:
        return _first_of(_whole(rows), column_of(rows, "text"))
    if on == "text":
        return column_of(rows, "text")
    if on == "whole":
        return _whole(rows)
    if on in ("chosen", "rejected"):
        return _joined(_messages(rows, on))
    return _joined(_messages(rows, "messages"), of_answer=on == "answer")


def column_of(rows: pa.RecordBatch | pa.Table, name: str) -> pa.StringArray:
    """A column of text as one array; all null if it is absent."""
    if name not in rows.schema.names:
        return pa.nulls(rows.num_rows, pa.string())
    return _one_array(rows[name]).cast(pa.string())


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which would copy it


def _first_of(first: pa.StringArray, second: pa.StringArray) -> pa.StringArray:
    return second if first.null_count == len(first) else pc.coalesce(first, second)


def _messages(rows: pa.RecordBatch | pa.Table, name: str) -> pa.ListArray:
    if name not in rows.schema.names:
        return pa.nulls(rows.num_rows, MESSAGES)
    return _one_array(rows[name])


def _whole(rows: pa.RecordBatch | pa.Table) -> pa.StringArray:
    there = [name for name in MESSAGE_COLUMNS if name in rows.schema.names and rows[name].null_count < rows.num_rows]
    parts = [_joined(_messages(rows, name)) for name in there]
    if not parts:
        return pa.nulls(rows.num_rows, pa.string())
    return reduce(_both, parts)


def _both(first: pa.StringArray, second: pa.StringArray) -> pa.StringArray:
    # not null_handling="skip", with which pyarrow 26 loses the rows where all are null
    return pc.coalesce(pc.binary_join_element_wise(first, second, "\n"), first, second)


def _joined(turns: pa.ListArray, *, of_answer: bool | None = None) -> pa.StringArray:
    """The contents of these turns: of all (None), of the answer only (True), or of all but the answer (False)."""
    contents, counts = turns.flatten(), pc.fill_null(pc.list_value_length(turns), 0).to_numpy()
    bounds = np.concatenate([[0], np.cumsum(counts)])
    chosen = np.ones(len(contents), bool) if of_answer is None else _is_answer(contents, bounds) == of_answer
    texts = pc.fill_null(contents.field("content"), "").filter(arrow(chosen))
    ends = np.concatenate([[0], np.cumsum(chosen)])[bounds]
    joined = pc.binary_join(pa.ListArray.from_arrays(arrow(ends).cast(pa.int32()), texts), "\n")
    return pc.if_else(arrow(np.diff(ends) > 0), joined, None)


def _is_answer(contents: pa.StructArray, bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which turns are the last of their conversation and the assistant's."""
    last = np.zeros(len(contents), bool)
    last[bounds[1:][np.diff(bounds) > 0] - 1] = True
    by_assistant = pc.fill_null(pc.equal(contents.field("role"), "assistant"), False)
    answers: NDArray[np.bool_] = last & by_assistant.to_numpy(zero_copy_only=False)
    return answers
