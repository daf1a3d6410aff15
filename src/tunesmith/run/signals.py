"""A signal as a metric: what is measured on documents can be measured on answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from tunesmith.core.errors import UserError
from tunesmith.core.record import SIGNAL
from tunesmith.core.registry import Named
from tunesmith.data.measure import apply
from tunesmith.data.op import Op
from tunesmith.evaluate.score import Scores


def measure_answers(signal: Named, parameters: Mapping[str, object], answers: Sequence[str]) -> Scores:
    """The signal of each answer as its score; not measured where the signal could not be."""
    places = [str(place) for place in range(len(answers))]
    batch = pa.RecordBatch.from_arrays([pa.array(places), pa.array(answers, pa.string())], names=["id", "text"])
    measured = apply(batch, [Op("signal", signal, signal.label, parameters)]).batch
    column = f"{SIGNAL}{signal.label}"
    if column not in measured.schema.names or pa.types.is_string(measured.schema.field(column).type):
        raise UserError(f"signal {signal.name} gives no single number, so it is no metric.", "Use one that counts.")
    per_row = np.full(len(answers), np.nan)
    for place, value in zip(measured["id"].to_pylist(), measured[column].to_pylist(), strict=True):
        per_row[int(place)] = np.nan if value is None else float(value)
    there = per_row[~np.isnan(per_row)]
    return Scores(float(there.mean()) if len(there) else None, len(there), per_row=per_row)
