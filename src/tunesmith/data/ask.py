"""What a function asks for by its parameters' names, and how a batch gives it: row by row, or as one view."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

import orjson
import pyarrow as pa

from tunesmith.core.errors import UserError
from tunesmith.core.record import Where
from tunesmith.core.registry import Named
from tunesmith.core.text import Lines, Paragraphs, Pieces, Spans, Words
from tunesmith.data.op import Op
from tunesmith.data.texts import texts_of
from tunesmith.data.views import Views

PIECES: dict[str, type[Pieces]] = {"words": Words, "lines": Lines, "paragraphs": Paragraphs}
ROW_FORM = ("text", *PIECES, "messages", "record", "id")
BATCH_FORM = ("texts", "word_spans", "line_spans", "paragraph_spans", "counts", "records")
OF_TEXT = frozenset({"text", *PIECES, *BATCH_FORM[:-1]})  # what is null where there is no text


@dataclass(frozen=True)
class Call:
    """A function ready to be called: what it asks for, in order, and its configuration."""

    function: Callable[..., object]
    asks: tuple[str, ...]
    parameters: dict[str, object]

    @property
    def is_batch_form(self) -> bool:
        """Whether it takes a batch at a time."""
        return any(name in BATCH_FORM for name in self.asks)

    @property
    def needs_text(self) -> bool:
        """Whether it measures a text, so that a row without one cannot be measured."""
        return not OF_TEXT.isdisjoint(self.asks)

    def on_rows(self, given: Sequence[Sequence[object]]) -> Iterator[object]:
        """The result of each row, from one sequence for each thing asked for."""
        return (self.function(*values, **self.parameters) for values in zip(*given, strict=True))

    def on_batch(self, given: Sequence[object]) -> object:
        """The result of the whole batch."""
        return self.function(*given, **self.parameters)


def call_of(op: Op) -> Call:
    """The function of an operation with its parameters; raises UserError if it asks for what no record has."""
    function = _loaded_once(op.function)
    asks = _asks(function, op.function.name)
    return Call(function, asks, parameters_of(op.function, op.parameters))


@cache
def _loaded_once(named: Named) -> Callable[..., object]:
    return named.load()


@cache
def _asks(function: Callable[..., object], name: str) -> tuple[str, ...]:
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    asks = tuple(key for key, item in inspect.signature(function).parameters.items() if item.kind is not keyword_only)
    unknown = [key for key in asks if key not in (*ROW_FORM, *BATCH_FORM)]
    known = f"It can ask for {', '.join(ROW_FORM)}; or for a batch at a time: {', '.join(BATCH_FORM)}."
    if unknown:
        raise UserError(f"{name}: asks for {unknown[0]!r}, which records do not have.", f"{known} Options go behind *.")
    if not asks or len({key in BATCH_FORM for key in asks}) > 1:
        raise UserError(f"{name}: asks for {', '.join(asks) or 'nothing'}.", f"{known} The two cannot be mixed.")
    return asks


def parameters_of(named: Named, given: Mapping[str, object]) -> dict[str, object]:
    """The parameters as the function takes them: ./file.py:function as that function, a path as an absolute one."""
    return {name: _as_taken(named, name, value) for name, value in given.items()}


def _as_taken(named: Named, name: str, value: object) -> object:
    annotation = str(inspect.signature(_loaded_once(named)).parameters[name].annotation)
    if isinstance(value, str) and "Callable" in annotation:
        return _loaded_once(Named("function", value, named.base))
    if "LocalPath" in annotation and isinstance(value, str):
        return str((Path(named.base) / value).resolve())
    if "LocalPath" in annotation and isinstance(value, list | tuple):
        return [str(Path(named.base).resolve() / path) for path in value]
    return value


@dataclass(frozen=True)
class Sight:
    """A batch as functions see it; each column of texts and each of its views is made at most once."""

    batch: pa.RecordBatch
    views: dict[Where | None, Views] = field(default_factory=dict)
    timed: Callable[[str], AbstractContextManager[object]] = nullcontext  # entered where what is made serves several

    def texts(self, on: Where | None) -> Views:
        """The texts that are measured, with their views."""
        if on not in self.views:
            self.views[on] = Views(texts_of(self.batch, on))
        return self.views[on]

    def whole(self, name: str, on: Where | None) -> object:
        """What a function in batch form asks for."""
        if name == "records":
            return self.batch
        if name == "texts":
            return self.texts(on).texts
        with self.timed(f"{name} (shared)"):
            return self.texts(on).counts if name == "counts" else self._spans(name.removesuffix("_spans"), on)

    def by_row(self, name: str, on: Where | None) -> Sequence[object]:
        """What a function in row form asks for, for each row."""
        if name == "text":
            return cast(list[object], self.texts(on).texts.to_pylist())
        if name in PIECES:
            spans = self._spans(name, on)
            return [PIECES[name](spans, row) for row in range(self.batch.num_rows)]
        return records_of(self.batch) if name == "record" else _column(self.batch, name)

    def _spans(self, name: str, on: Where | None) -> Spans:
        views = self.texts(on)
        return {"word": lambda: views.words, "line": lambda: views.lines, "paragraph": lambda: views.paragraphs}[
            name.removesuffix("s")
        ]()


def records_of(batch: pa.RecordBatch) -> list[dict[str, object]]:
    """The rows as dicts, with `meta` parsed."""
    rows = cast(list[dict[str, object]], batch.to_pylist())
    return [{**row, "meta": _parsed(row["meta"])} for row in rows] if "meta" in batch.schema.names else rows


def _parsed(meta: object) -> dict[str, object]:
    return cast(dict[str, object], orjson.loads(meta)) if isinstance(meta, str) else {}


def _column(batch: pa.RecordBatch, name: str) -> Sequence[object]:
    return batch[name].to_pylist() if name in batch.schema.names else [None] * batch.num_rows
