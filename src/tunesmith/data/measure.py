"""Operations on one batch, in order: signals measure, edits change, makers make. One bad record costs one record."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import UserError
from tunesmith.core.record import SIGNAL
from tunesmith.data.arrays import declared_kind, measured_array
from tunesmith.data.ask import Call, Sight, call_of, records_of
from tunesmith.data.change import edit, make
from tunesmith.data.op import Op
from tunesmith.data.rows import as_raw
from tunesmith.data.step import Dropped, Step, joined, with_column
from tunesmith.data.texts import texts_of

__all__ = ["Applied", "apply", "texts_of"]


@dataclass(frozen=True)
class Applied:
    """A batch after its operations, and every record that left it or came into it."""

    batch: pa.RecordBatch
    quarantined: list[dict[str, object]]
    dropped: list[Dropped]
    made: int


def apply(
    batch: pa.RecordBatch, ops: Sequence[Op], timed: Callable[[str], AbstractContextManager[object]] = nullcontext
) -> Applied:
    """Run the operations on a batch, in order; a row whose function raises is quarantined and leaves it.

    `timed` is entered with the label of each operation. Raises UserError if a function does so for every row: then the
    recipe is at fault, not a record.
    """
    sight = Sight(batch, timed=timed)
    quarantined: list[dict[str, object]] = []
    dropped: list[Dropped] = []
    made = 0
    for op in ops:
        if sight.batch.num_rows == 0:
            break
        with timed(op.label):
            step, failed = _run(sight, op)
        sight = replace(step.sight, timed=timed)
        quarantined += failed
        dropped += step.dropped
        made += step.made
    return Applied(sight.batch, quarantined, dropped, made)


def _run(sight: Sight, op: Op) -> tuple[Step, list[dict[str, object]]]:
    call = call_of(op)
    step = _attempt(sight, op, call)
    return (step, []) if isinstance(step, Step) else _row_by_row(sight.batch, op, call)


def _attempt(sight: Sight, op: Op, call: Call) -> Step | Exception:
    try:
        return WORK[op.kind](sight, op, call)
    except MemoryError:
        raise
    except Exception as error:  # whatever a function raises is a fact about its record, and is written down with it
        return error


def _row_by_row(batch: pa.RecordBatch, op: Op, call: Call) -> tuple[Step, list[dict[str, object]]]:
    """Each row on its own, so that only those that fail are lost to the batch."""
    rows = [batch.slice(row, 1) for row in range(batch.num_rows)]
    results = [_attempt(Sight(row), op, call) for row in rows]
    errors = [(row, error) for row, error in zip(rows, results, strict=True) if isinstance(error, Exception)]
    for _, error in errors[:1]:
        if isinstance(error, UserError) and len(errors) == len(rows):
            raise error
    steps = [step for step in results if isinstance(step, Step)]
    kept = joined([step.sight.batch for step in steps]) if steps else batch.slice(0, 0)
    dropped = [item for step in steps for item in step.dropped]
    whole = Step(Sight(kept), dropped, sum(step.made for step in steps))
    return whole, [_quarantined(row, op, error) for row, error in errors]


def _quarantined(row: pa.RecordBatch, op: Op, error: Exception) -> dict[str, object]:
    record = records_of(row)[0]
    origin = record.get("origin")
    place = origin if isinstance(origin, Mapping) else {}
    facts = {name: place.get(name) for name in ("uri", "line", "offset")}
    return {"id": record["id"], **facts, "error": _told(error), "raw": as_raw(record), "step": op.label}


def _told(error: Exception) -> str:
    """The error with the line that raised it."""
    if isinstance(error, UserError):
        return error.problem
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _measure(sight: Sight, op: Op, call: Call) -> Step:
    """Add the columns that a signal measures: `signal.LABEL`, or one for each key of what it returns."""
    result = _results(sight, op, call)
    kind = None if call.is_batch_form else declared_kind(call.function)
    columns = result if isinstance(result, Mapping) else {"": result}
    batch = sight.batch
    unmeasured = _unmeasured(sight, op, call)
    for key, values in columns.items():
        array = measured_array(values, kind, batch.num_rows)
        if unmeasured is not None:
            array = pc.if_else(unmeasured, pa.scalar(None, array.type), array)
        batch = with_column(batch, f"{SIGNAL}{op.label}.{key}" if key else f"{SIGNAL}{op.label}", array)
    return Step(replace(sight, batch=batch))


def _unmeasured(sight: Sight, op: Op, call: Call) -> pa.BooleanArray | None:
    """Which rows have no text to be measured; None if all have one."""
    if not call.needs_text:
        return None
    texts = sight.texts(op.on).texts
    return texts.is_null() if texts.null_count else None


def _results(sight: Sight, op: Op, call: Call) -> object:
    if call.is_batch_form:
        return call.on_batch([sight.whole(name, op.on) for name in call.asks])
    given = [sight.by_row(name, op.on) for name in call.asks]
    measurable = _measurable(sight, op, call, given)
    results = iter(call.on_rows([[values[row] for row in measurable] for values in given]))
    values: list[object] = [None] * sight.batch.num_rows
    for row in measurable:
        values[row] = next(results)
    return _by_key(values) if any(isinstance(value, Mapping) for value in values) else values


def _measurable(sight: Sight, op: Op, call: Call, given: Sequence[Sequence[object]]) -> Sequence[int]:
    """The rows that have the text or the messages that a function asks for."""
    rows = range(sight.batch.num_rows)
    without = _unmeasured(sight, op, call)
    missing = set() if without is None else {row for row, is_missing in enumerate(without.to_pylist()) if is_missing}
    if "messages" in call.asks:
        turns = given[call.asks.index("messages")]
        missing |= {row for row in rows if turns[row] is None}
    return [row for row in rows if row not in missing] if missing else rows


def _by_key(values: Sequence[object]) -> dict[str, list[object]]:
    """One list of values for each key that the mappings have; null where a row has none."""
    for value in values:
        if value is not None and not isinstance(value, Mapping):
            raise TypeError(f"a {type(value).__name__} where other rows gave a mapping")
    maps = [value if isinstance(value, Mapping) else {} for value in values]
    keys = dict.fromkeys(str(key) for value in maps for key in value)
    return {key: [value.get(key) for value in maps] for key in keys}


WORK: dict[str, Callable[[Sight, Op, Call], Step]] = {"signal": _measure, "edit": edit, "make": make}
