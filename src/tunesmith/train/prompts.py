"""Prompts to answer: the chat before the answer that is expected, where one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.models.chat import Tokens, render_all
from tunesmith.models.rows import asked_of
from tunesmith.train.batches import Index
from tunesmith.train.corpus import Rendered, render_rows
from tunesmith.train.job import Job, Row, Rows
from tunesmith.train.start import Start
from tunesmith.train.watching import rows_at


@dataclass(frozen=True)
class Prompts:
    """Rendered prompts, each with its expected answer behind it where the mask begins, and their rows on demand."""

    rendered: Rendered
    source: Rows

    def __len__(self) -> int:
        """How many there are."""
        return len(self.rendered)

    def ids(self, index: int) -> list[int]:
        """The tokens of a prompt."""
        line = self.rendered.sides[0][index]
        return cast("list[int]", line.ids[: int(np.argmax(line.mask))].tolist())

    @property
    def lengths(self) -> Index:
        """Tokens of each prompt."""
        side = self.rendered.sides[0]
        return side.lengths - side.labels

    def rows(self, indices: Index) -> dict[int, Row]:
        """The rows of some prompts, by index: only these are kept in memory."""
        chosen = np.unique(indices)
        found = rows_at(self.source, self.rendered.kept[chosen])
        return {int(index): row for index, (_, row) in zip(chosen, found, strict=True)}


def prompts_of(job: Job, rows: Rows, start: Start, *, limit: int, folder: Path, part: str) -> Prompts:
    """The prompts of rows, with what is expected, that have at most `limit` tokens; what is left out is said."""
    found = Prompts(render_rows(rows, [partial(_rendered, start)], limit=limit, folder=folder), rows)
    if found.rendered.too_long:
        job.say(f"{part}: {found.rendered.too_long:,} prompts longer than {limit} tokens are left out")
    if part == "train" and not len(found):
        raise UserError("No row has a prompt within the length limit.", f"The limit is {limit} tokens.")
    return found


def _rendered(start: Start, rows: Sequence[Row]) -> list[Tokens]:
    prompts = render_all(start.tokenizer, [asked_of(row) for row in rows], answer=False)
    stop = cast("int", start.tokenizer.eos_token_id)
    return [
        Tokens([*prompt.ids, *answer, stop], [0] * len(prompt.ids) + [1] * (len(answer) + 1))
        for prompt, answer in zip(prompts, map(partial(_answer, start), rows), strict=True)
    ]


def _answer(start: Start, row: Row) -> list[int]:
    text = expected_of(row)
    return cast("list[int]", start.tokenizer(text, add_special_tokens=False).input_ids) if text else []


def expected_of(row: Row) -> str:
    """The answer that is expected: that of a pair's chosen side, or the last assistant turn; empty where none is."""
    turns = cast("Sequence[Mapping[str, object]]", row.get("chosen") or row.get("messages") or ())
    last = turns[-1] if turns else {}
    return str(last.get("content") or "") if last.get("role") == "assistant" else str(row.get("target") or "")
