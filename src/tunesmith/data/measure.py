"""Operations on one batch, in order: signals measure, edits change, makers make. One bad record costs one record."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import UserError
from tunesmith.core.record import SIGNAL
from tunesmith.data.ask import Call, Sight, call_of, records_of
from tunesmith.data.change import Made, edit, make
from tunesmith.data.op import Op
from tunesmith.data.rows import as_raw
from tunesmith.data.texts import texts_of

__all__ = ["Applied", "apply", "texts_of"]

ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


@dataclass(frozen=True)
class Applied:
    """A batch after its operations, and every record that left it or came into it."""

    batch: pa.RecordBatch
    quarantined: list[dict[str, object]]
    dropped: list[tuple[str, str, str]]  # id, step, why
    made: int


def apply(batch: pa.RecordBatch, ops: Sequence[Op]) -> Applied:
    """Run the operations on a batch, in order; a row whose function raises is quarantined and leaves it."""
    result = Applied(batch, [], [], 0)
    for op in ops:
        if result.batch.num_rows == 0:
            break
        step = _run(Sight(result.batch), op)
        result = Applied(
            step.batch, result.quarantined + step.quarantined, result.dropped + step.dropped, result.made + step.made
        )
    return result
