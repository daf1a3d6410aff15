"""What metrics ask a model for, row by row: answers, the likelihood of documents, or the rewards of pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Literal, cast

import orjson

from tunesmith.core.errors import UserError
from tunesmith.core.registry import Named
from tunesmith.evaluate.answer import BATCH, Progress, answer
from tunesmith.models.base import Judge, Model, Reader, Sampling
from tunesmith.models.conversation import conversation_of
from tunesmith.models.rows import Row

Asks = Literal["answers", "likelihood", "rewards"]
ASKS: tuple[Asks, ...] = ("answers", "likelihood", "rewards")
COLUMNS: Mapping[str, tuple[str, ...]] = {"answers": (), "likelihood": ("text",), "rewards": ("chosen", "rejected")}
Given = dict[str, object]  # what a model gave for a row; `text` is what metrics read


def asks_of(function: Named) -> Asks:
    """What the file of a metric (or of an arm: what it gives) declares as ASKS; answers without it."""
    declared = getattr(function.module(), "ASKS", "answers")
    if declared not in ASKS:
        raise UserError(f"{function.name} declares ASKS = {declared!r}.", f"It is one of {', '.join(ASKS)}.")
    return cast("Asks", declared)


def ask(
    asks: Asks, model: object, rows: Sequence[Row], *, sampling: Sampling, progress: Progress | None = None
) -> list[Given]:
    """What a model gives for each row, in order: its answer, or JSON with nats, tokens and bytes, or with rewards."""
    if asks == "answers":
        return [vars(one) for one in answer(cast("Model", model), rows, sampling=sampling, progress=progress)]
    give = _rewards if asks == "rewards" else _likelihoods
    return [{"text": orjson.dumps(one).decode()} for one in _in_batches(give, model, rows, progress)]


def _in_batches(
    give: Callable[[object, Sequence[Row]], list[Given]],
    model: object,
    rows: Sequence[Row],
    progress: Progress | None,
) -> list[Given]:
    given: list[Given] = []
    for start in range(0, len(rows), BATCH):
        given += give(model, rows[start : start + BATCH])
        if progress is not None:
            progress(len(given), len(rows))
    return given


def _likelihoods(model: object, rows: Sequence[Row]) -> list[Given]:
    if not hasattr(model, "likelihoods"):
        raise UserError(
            f"{getattr(model, 'name', model)} cannot say how likely texts are.", "Models on this machine can."
        )
    return [asdict(one) for one in cast("Reader", model).likelihoods([document_of(row) for row in rows])]


def _rewards(model: object, rows: Sequence[Row]) -> list[Given]:
    chats = [conversation_of(row, side) for row in rows for side in ("chosen", "rejected")]
    found = cast("Judge", model).of_chats(chats)
    return [{"chosen": found[place], "rejected": found[place + 1]} for place in range(0, len(found), 2)]


def document_of(row: Row) -> str:
    """The document of a row; raises UserError where it has none."""
    if row.get("messages") or row.get("text") is None:
        hint = "Metrics such as bits_per_byte measure rows of text; those over answers measure chats."
        raise UserError(f"record {row.get('id', '?')} is no document.", hint)
    return str(row["text"])
