"""Documents without the lines of a set, shard by shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.data.arrays import arrow
from tunesmith.data.passes._batches import batches
from tunesmith.data.passes._repeated_lines import open_set
from tunesmith.data.stream import Rows
from tunesmith.data.texts import column_of
from tunesmith.data.views import bytes_of

if TYPE_CHECKING:
    from tunesmith.data.kernels.lines import Place, Repeated

MEASURES = ("text", "lines", "share")
SCHEMA = pa.schema([("text", pa.string()), ("lines", pa.int64()), ("share", pa.float64())])


@dataclass(frozen=True)
class Taken:
    """What was taken out of how many documents, and of how many nothing is left."""

    documents: int = 0
    emptied: int = 0
    lines: int = 0
    characters: int = 0

    def __add__(self, other: Taken) -> Taken:
        """Both together."""
        return Taken(
            self.documents + other.documents,
            self.emptied + other.emptied,
            self.lines + other.lines,
            self.characters + other.characters,
        )


@dataclass(frozen=True)
class Done:
    """Rows without the lines of the set, and the text of those to be shown, by number, that these rows have."""

    table: pa.Table
    taken: Taken = Taken()
    shown: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Without:
    """Takes the lines of a set out of one shard."""

    rows: Rows
    shortest: int
    folder: Path  # of the set
    keep_first: bool

    def __call__(self, shard: int) -> Done:
        """One shard's rows."""
        from tunesmith.data.kernels.lines import Place

        lines = open_set(self.folder)
        kept_in = np.full(len(lines.hashes) if self.keep_first else 0, -1, np.int64)
        done, row = [Done(SCHEMA.empty_table())], 0
        for batch in batches(self.rows, shard, ["text"]):
            texts = column_of(batch, "text")
            done.append(_edited(texts, lines, Place(shard, row, kept_in), self.shortest))
            row += len(texts)
        return Done(
            pa.concat_tables([one.table for one in done]),
            sum((one.taken for one in done), Taken()),
            {number: text for one in reversed(done) for number, text in one.shown.items()},
        )


def _edited(texts: pa.StringArray, lines: Repeated, place: Place, shortest: int) -> Done:
    from tunesmith.data.kernels.lines import ALL_SIGNS, LINES, SIGNS, room_for, take_out, texts_for
    from tunesmith.data.kernels.words import table

    data, offsets = bytes_of(texts)
    wanted = int(lines.named.max(initial=-1)) + 1
    made = texts_for(offsets, wanted)
    if offsets[-1] > offsets[0]:
        take_out(data, offsets, table(()), shortest, room_for(data, offsets), lines, place, made)
    counts, signs = made.taken[:, LINES], made.taken[:, SIGNS]
    share = signs / np.maximum(made.taken[:, ALL_SIGNS], 1)
    edited = _array(made.data, made.offsets, texts) if counts.any() else texts
    nulls = texts.is_null()
    measured = [pc.if_else(nulls, None, arrow(counts)), pc.if_else(nulls, None, arrow(share))]
    shown = {
        number: bytes(data[begin:end]).decode().strip()
        for number, (begin, end) in enumerate(made.named.tolist())
        if begin >= 0
    }
    taken = Taken(int((counts > 0).sum()), int((share == 1).sum()), int(counts.sum()), int(signs.sum()))
    return Done(pa.Table.from_arrays([edited, *measured], schema=SCHEMA), taken, shown)


def _array(data: NDArray[np.uint8], offsets: NDArray[np.int64], like: pa.StringArray) -> pa.StringArray:
    """These texts, null where the others are."""
    given = pa.Array.from_buffers(
        pa.string(), len(like), [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data[: offsets[-1]])]
    )
    return pc.if_else(like.is_valid(), given, None) if like.null_count else given
