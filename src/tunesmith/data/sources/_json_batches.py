"""JSON lines as batches: most lines are taken apart by compiled code, the others are left to orjson."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.data.files import UTF8_MARK, Block, File, Line, lines_of
from tunesmith.data.kernels import json_lines as kernel
from tunesmith.data.sources._fields import COLUMNS, TURNS, Fields

ODD_COLUMNS = (*TURNS, "desirable", "tools")
BATCH_ROWS = 1000
MOST_BYTES = 1 << 30  # of a block: offsets of text have 32 bits
MANY = 20  # where one line in so many is odd, all are left to orjson: short batches cost more than they save


def fits(fields: Fields) -> bool:
    """Whether lines can be taken apart: the text and the key have to be in fields of their own."""
    return not {fields.text, fields.key} & set(COLUMNS) and fields.text != fields.key


def batches(file: File, block: Block, fields: Fields) -> Iterator[pa.RecordBatch | Line]:
    """The records of a block in order: batches of those that could be taken apart, and the lines between them."""
    if len(block.raw) > MOST_BYTES:
        yield from lines_of(block)
        return
    taken = _Taken.of(block.raw, block.offset == 0 and block.raw.startswith(UTF8_MARK), fields)
    odd = np.flatnonzero(taken.kinds == kernel.ODD)
    if len(odd) * MANY > len(taken.kinds):
        yield from lines_of(block)
        return
    batch = taken.batch(file, block, fields)
    begin = 0
    for line in [*odd.tolist(), len(taken.kinds)]:
        filled, is_blank = batch.slice(begin, line - begin), taken.kinds[begin:line] == kernel.BLANK
        if is_blank.any():
            filled = filled.filter(pa.array(~is_blank))
        yield from (filled.slice(row, BATCH_ROWS) for row in range(0, filled.num_rows, BATCH_ROWS))
        if line < len(taken.kinds):
            yield taken.line(block, line)
        begin = line + 1


@dataclass(frozen=True)
class _Taken:
    """What was found in the lines of a block, a value a line."""

    raw: bytes
    begins: NDArray[np.int64]  # and the end of the last
    kinds: NDArray[np.uint8]
    texts: pa.Array
    metas: pa.Array
    spans: dict[str, NDArray[np.int64]]  # of values that were left in place, by field

    @classmethod
    def of(cls, raw: bytes, marked: bool, fields: Fields) -> _Taken:
        data = np.frombuffer(raw, np.uint8)
        begins = np.append(0, np.flatnonzero(data == ord("\n")) + 1)
        begins = begins if begins[-1] == len(data) else np.append(begins, len(data))
        starts = begins.copy()
        starts[0] = len(UTF8_MARK) if marked else 0
        count, roles = len(begins) - 1, _roles(fields)
        names = [name.encode() for name in roles]
        other = kernel.ON if fields.kept is None else kernel.OFF
        texts, metas = (np.empty(len(data) + int(kernel.STRIDE), np.uint8) for _ in range(2))
        text_ends, meta_ends = (np.zeros(count + 1, np.int32) for _ in range(2))
        spans, kinds = np.empty((count, 2 * len(names)), np.int64), np.empty(count, np.uint8)
        kernel.take_apart(
            data,
            starts,
            _bytes(fields.text.encode()),
            _bytes(b"".join(names)),
            np.cumsum([len(name) for name in names], dtype=np.int64),
            np.array([*roles.values(), other], np.uint8),
            texts,
            metas,
            text_ends,
            meta_ends,
            spans,
            kinds,
        )
        by_name = {name: spans[:, 2 * place : 2 * place + 2] for place, name in enumerate(roles)}
        if fields.key:
            kinds[(kinds != kernel.BLANK) & (by_name[fields.key][:, 0] < 0)] = kernel.ODD
        _mark_not_utf8(raw, begins, kinds)
        found = _metas(metas, meta_ends, kinds, fields.kept)
        return cls(raw, begins, kinds, _strings(texts, text_ends), found, by_name)

    def batch(self, file: File, block: Block, fields: Fields) -> pa.RecordBatch:
        """All lines as records; those that are none have to be left out."""
        count = len(self.kinds)
        columns = {"text": self.texts, "meta": self.metas, "uri": pa.repeat(pa.scalar(file.uri), count)}
        columns["offset"] = pa.array(block.offset + self.begins[:-1])
        if block.number is not None:
            columns["line"] = pa.array(np.arange(block.number, block.number + count))
        for name, spans in self.spans.items():
            if np.any(spans[:, 0] >= 0):
                columns["key" if name == fields.key else name] = self._values(spans)
        return pa.RecordBatch.from_pydict(columns)

    def _values(self, spans: NDArray[np.int64]) -> pa.Array:
        raw = self.raw
        values = [
            None if start < 0 else raw[start + 1 : stop - 1] if raw[start] == kernel.QUOTE else raw[start:stop]
            for start, stop in spans.tolist()
        ]
        values = [None if kind == kernel.ODD else value for kind, value in zip(self.kinds, values, strict=True)]
        return pa.array(values, pa.binary()).cast(pa.string())

    def line(self, block: Block, number: int) -> Line:
        """A line as it stands in its file."""
        start, stop = self.begins[number : number + 2].tolist()
        raw = self.raw[start:stop].removeprefix(UTF8_MARK if block.offset + start == 0 else b"")
        return Line(raw, None if block.number is None else block.number + number, block.offset + start)


def _roles(fields: Fields) -> dict[str, int]:
    """What becomes of the fields that are named; the others go on, unless only some are kept."""
    kept = COLUMNS if fields.kept is None else fields.kept
    roles = dict.fromkeys(kept, kernel.ON)
    roles |= {name: kernel.STRANGE if name in ODD_COLUMNS else kernel.COLUMN for name in COLUMNS if name in roles}
    if fields.key:
        roles[fields.key] = kernel.KEY_ON if fields.kept is None or fields.key in kept else kernel.KEY
    return roles


def _mark_not_utf8(raw: bytes, begins: NDArray[np.int64], kinds: NDArray[np.uint8]) -> None:
    whole = np.array([0, len(raw)], np.int32)
    try:
        _strings(_bytes(raw), whole).validate(full=True)
    except pa.ArrowInvalid:
        for line in range(len(kinds)):
            try:
                raw[begins[line] : begins[line + 1]].decode()
            except UnicodeDecodeError:
                kinds[line] = kernel.ODD


def _metas(
    data: NDArray[np.uint8], ends: NDArray[np.int32], kinds: NDArray[np.uint8], kept: Sequence[str] | None
) -> pa.Array:
    """The other fields of each line as orjson writes them; a line in which they are no JSON is marked as odd."""
    changed: dict[int, bytes | None] = dict.fromkeys(np.flatnonzero(kinds == kernel.ODD).tolist())
    view, places = data.data, ends.tolist()
    for line in np.flatnonzero(kinds == kernel.REWRITE).tolist():
        try:
            given = orjson.loads(view[places[line] : places[line + 1]])
        except orjson.JSONDecodeError:
            kinds[line], changed[line] = kernel.ODD, None
            continue
        kept_here = given if kept is None else {name: value for name, value in given.items() if name in kept}
        changed[line] = orjson.dumps(kept_here, option=orjson.OPT_SORT_KEYS) if kept_here else None
    if not changed:
        return _strings(data, ends, null=np.diff(ends) == 0)
    values = [
        changed[line] if line in changed else bytes(view[start:stop]) or None
        for line, (start, stop) in enumerate(pairwise(places))
    ]
    return pa.array(values, pa.binary()).cast(pa.string())


def _strings(data: NDArray[np.uint8], ends: NDArray[np.int32], null: NDArray[np.bool_] | None = None) -> pa.Array:
    bits = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(data[: ends[-1]]), bits)


def _bytes(raw: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(raw, np.uint8)
