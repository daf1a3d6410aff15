"""What documents look like before a model learns them: measured once, on a CPU, with the tokenizer alone."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import canonical_json
from tunesmith.train.documents import encoded, text_of
from tunesmith.train.examined import Examined, histogram_of, quantiles_of
from tunesmith.train.job import Row
from tunesmith.train.marks import Spans, control_pattern
from tunesmith.train.noted import Held, Noted, number_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SHOWN = 600  # characters of a document that people see


def examine_texts(
    tokenizer: PreTrainedTokenizerFast,
    rows: Iterable[Row],
    *,
    limit: int,
    also: Iterable[Row] = (),
    held: Held | None = None,
    seed: int = 0,
    clean: Callable[[str], str] = str,
) -> Examined:
    """Go once through documents as pre-training and domain tuning encode them; no chat template is needed.

    limit is the most tokens of a window; a longer document is cut, so nothing is too long. also are rows that are
    learnt beside these, such as text that is replayed: they are looked through for what is held out (`question_key`).
    A chat among the documents is its rendered text. clean is put over every text that is kept for people.
    """
    noted, lengths, keys, controls, weight = Noted(held or {}, seed), array("q"), array("Q"), Counter[str](), 0.0
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    find = control_pattern({*special, *tokenizer.all_special_tokens})
    for row, ids, _ in encoded(rows, tokenizer):
        text = _text(row)
        lengths.append(len(ids))
        weight += (len(ids) + 1) * (1.0 if row.get("weight") is None else float(str(row["weight"])))
        if not len(ids):
            noted.fault("unanswered", row)
            continue
        keys.append(number_of([text]))
        noted.look_for_leaks(row)
        if spelt := find(text):
            controls.update(spelt)
            noted.fault("controlled", row)
        noted.draw(row, lambda text=text: _span(text))  # type: ignore[misc]  # bound at once
    for row in also:
        noted.look_for_leaks(row)
    if not lengths:
        raise UserError("There are no rows to examine.", "Look at what was dropped from the list.")
    found = np.array(lengths, np.int64)
    return Examined(
        rows=len(found),
        limit=limit,
        weight=weight,
        tokens=int(found.sum()),
        trained=int(found.sum()),
        longest=int(found.max()),
        quantiles=quantiles_of(found),
        histogram=histogram_of(found, int(found.max())),
        too_long=0,
        unanswered=noted.counts["unanswered"],
        unstopped=0,
        last="",
        stops=[],
        eos=tokenizer.eos_token,
        pad=tokenizer.pad_token,
        template="",
        unequal_prompts=0,
        compared=0,
        controls=dict(sorted(controls.items())),
        controlled=noted.counts["controlled"],
        copies=len(keys) - len(np.unique(np.array(keys, np.uint64))),
        pairs=0,
        equal_pairs=0,
        longer_chosen=0,
        traits={},
        leaked=noted.leaked,
        faulty=noted.faulty,
        examples=noted.examples(clean),
        learns="texts",
    )


def _text(row: Row) -> str:
    """The document of a row, or all that a conversation says."""
    text = text_of(row)
    return canonical_json(row["messages"]) if text is None else text


def _span(text: str) -> Spans:
    return [(text if len(text) <= SHOWN else text[:SHOWN] + " …", True)]
