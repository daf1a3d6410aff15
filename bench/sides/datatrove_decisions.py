"""What datatrove's four quality filters decide, in its own environment: `python datatrove_decisions.py FILE.jsonl`.

Prints one line of JSON a document: for each filter the reason it drops the document for ("" if it keeps it), and the
numbers that it compared with its thresholds on the way, in order.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

FILTERS = {
    "gopher quality": GopherQualityFilter(),
    "gopher repetition": GopherRepetitionFilter(),
    "c4": C4QualityFilter(),
    "fineweb": FineWebQualityFilter(),
}
WATCHED = (
    "min_doc_words", "max_doc_words", "max_symbol_word_ratio", "max_bullet_lines_ratio", "max_ellipsis_lines_ratio",
    "max_non_alpha_words_ratio", "min_stop_words", "dup_line_frac", "dup_para_frac", "dup_line_char_frac",
    "dup_para_char_frac", "min_num_sentences", "line_punct_thr", "short_line_threshold", "char_duplicates_ratio",
    "new_line_ratio",
)  # fmt: skip
SEEN: dict[str, list[float]] = defaultdict(list)


class Watched(float):
    """A threshold that notes what it is compared with: Python asks it first, or when an int does not know it."""

    name: str

    def __lt__(self, other: float) -> bool:
        """Note, and compare."""
        SEEN[self.name].append(float(other))
        return float.__lt__(self, other)

    def __gt__(self, other: float) -> bool:
        """Note, and compare."""
        SEEN[self.name].append(float(other))
        return float.__gt__(self, other)


def main() -> None:
    """Ask every filter about every document."""
    for quality in FILTERS.values():
        for name in WATCHED:
            if hasattr(quality, name):
                setattr(quality, name, _watched(getattr(quality, name), name))
    grams = FILTERS["gopher repetition"]
    grams.top_n_grams = tuple((n, _watched(share, f"top_{n}_gram")) for n, share in grams.top_n_grams)
    grams.dup_n_grams = tuple((n, _watched(share, f"duplicated_{n}_n_grams")) for n, share in grams.dup_n_grams)
    for line in Path(sys.argv[1]).read_text("utf-8").split("\n"):
        if line:
            row = json.loads(line)
            print(json.dumps({name: _decided(quality, row["text"]) for name, quality in FILTERS.items()}))


def _watched(value: float, name: str) -> Watched:
    watched = Watched(value)
    watched.name = name
    return watched


def _decided(quality: object, text: str) -> dict[str, object]:
    SEEN.clear()
    try:
        kept = quality.filter(Document(text=text, id=""))
    except ZeroDivisionError:  # it divides by the number of words or lines, which may be none
        kept = False, "ZeroDivisionError"
    return {"reason": "" if kept is True else kept[1], "numbers": dict(SEEN)}


if __name__ == "__main__":
    main()
