"""Lines that stand in many documents, such as menus and notices of copyright, taken out of all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.data.passes._repeated_lines import Hashed, Lines, lines_of, write_set
from tunesmith.data.passes._without_lines import MEASURES, Taken, Without
from tunesmith.data.stream import Measured, Stream

VERSION = 1
__all__ = ["KEEP", "MEASURES", "VERSION", "check", "line_dedup"]
KEEP = {"share": {"below": 1.0}}  # a document of which nothing is left is none

SHOWN = 20  # lines of the table
EXCERPT = 200  # characters of each


def check(*, documents: int = 7, share: float = 0.0, shortest: int = 20, **_: object) -> None:
    """Raise UserError for numbers that name no line, or every line."""
    if documents < 2:
        raise UserError(f"line_dedup: documents is {documents}.", "A line repeats from 2 documents on.")
    if not 0 <= share <= 1:
        raise UserError(f"line_dedup: share is {share}.", "Give a share of the documents from 0 to 1.")
    if shortest < 1:
        raise UserError(f"line_dedup: shortest is {shortest}.", "Give 1 character or more.")


def line_dedup(
    stream: Stream, *, documents: int = 7, share: float = 0.0, shortest: int = 20, keep_first: bool = False
) -> Measured:
    """Take lines out of documents that stand in many of them, such as menus and notices, and keep the text around them.

    A line is taken out that stands in at least `documents` documents and in at least this `share` of them, compared to
    the letter without white space at its ends; within a document it counts once. Lines of fewer than `shortest`
    characters, without a letter or digit, or beginning with white space (code) always stay. With `keep_first`, the
    first document that has a line keeps it. Measured are the `lines` taken out, and their `share` of the characters
    that are not white space; a document of nothing else is dropped by default. Conversations stay as they are.
    """
    # 7, as Llama 3 took out lines that stood more than 6 times in 30 million documents (arXiv 2407.21783, 3.1.1);
    # shorter than 20 are headings such as "Parameters:", which many good documents share
    folder, kept = stream.scratch / "lines", stream.scratch / "set"
    folder.mkdir(parents=True, exist_ok=True)
    counted = list(stream.executor.map(Hashed(stream.rows, shortest, folder), stream.shards, lane="threads"))
    texts, total = sum(count for count, _, _ in counted), sum(lines for _, lines, _ in counted)
    if not texts and any(rows for _, _, rows in counted):
        raise UserError("line_dedup: no record has a text.", "It is for documents; conversations have turns.")
    least = max(documents, math.ceil(Fraction(str(share)) * texts))
    found = lines_of(stream, folder, least, total)
    most = np.lexsort((found.hashes, -found.counts))[:SHOWN]
    write_set(kept, found, most, keep_first=keep_first)
    taken, shown = Taken(), dict[int, str]()
    for one in stream.executor.map(Without(stream.rows, shortest, kept, keep_first), stream.shards, lane="threads"):
        taken, shown = taken + one.taken, {**one.shown, **shown}
        yield one.table
    rows = [[_excerpt(shown[number]), int(found.counts[place])] for number, place in enumerate(most)]
    return _told(found, taken, rows, texts=texts, least=least)


def _told(found: Lines, taken: Taken, most: list[list[object]], *, texts: int, least: int) -> Mapping[str, object]:
    sentences = [
        f"Lines that stand in {least:,} or more of {texts:,} documents: {len(found.hashes):,}.",
        f"Taken out: {taken.lines:,} lines, {taken.characters:,} characters, from {taken.documents:,} documents, of "
        f"which nothing is left of {taken.emptied:,}.",
    ]
    if not len(found.hashes):
        return {"sentences": sentences[:1], "repeated": 0, "texts": texts, **asdict(taken)}
    spread = np.bincount(np.floor(np.log2(found.counts)).astype(np.int64))
    first = int(np.flatnonzero(spread)[0])
    return {
        "sentences": sentences,
        "tables": [{"title": "Lines that most documents have", "columns": ["line", "documents"], "rows": most}],
        "charts": [
            {
                "title": "Documents that have a repeated line",
                "labels": [
                    f"{max(least, 1 << power):,} to {(2 << power) - 1:,}" for power in range(first, len(spread))
                ],
                "counts": spread[first:].tolist(),
            }
        ],
        "repeated": len(found.hashes),
        "texts": texts,
        **asdict(taken),
    }


def _excerpt(line: str) -> str:
    from tunesmith.data.edits.redact_pii import redact  # only where there is something to show

    return redact(line)[:EXCERPT]
