"""Near-duplicates against a brute-force truth and against gold clusters, beside three peers on the same documents.

The truth is of checks/near_truth.py, over all of corpus-50 and planted copies of some of its documents; the gold is
which pages are versions of one another. What peers answer is kept beside the corpus, because they take minutes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import corpus
from checks import near_truth
from checks.near_documents import read_texts, template_pages, with_copies, write_texts
from checks.near_gold import Gold, gold_rows
from checks.near_tools import OURS, PEERS, Answer, tools
from checks.rows import Row

from tunesmith.core.artifact import write_json
from tunesmith.stats.intervals import mean

THRESHOLD = 0.8
GOLD = Path("near_duplicates", "powershell.jsonl.gz")
NAMES = (OURS, *PEERS)


@dataclass(frozen=True)
class Truth:
    """Documents and which of them are alike."""

    file: Path
    natural: int  # how many of the first documents are as they were found
    pairs: frozenset[tuple[int, int]]
    greedy: frozenset[int]  # what is removed if the longest of those that are alike stays
    close: frozenset[tuple[int, int]]  # the pairs that are less alike than 0.85


def measure(data: Path) -> list[Row]:
    """Recall and precision against the truth, false removals among pages of one template, and the gold clusters."""
    kept = corpus.default_folder().parent / "near_duplicates"
    kept.mkdir(parents=True, exist_ok=True)
    corpus.build(corpus.default_folder())
    texts = read_texts(corpus.default_folder() / f"corpus-{corpus.SIZES_MB[0]}.jsonl")
    truth, pages = _truth(texts, kept), kept / "templates.jsonl"
    write_texts(pages, template_pages(texts))
    gold = _gold(data / GOLD, kept)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=kept) as folder:
        for tool, ask in tools(NAMES, [truth.file, pages, gold.file], Path(folder), kept).items():
            rows += _truth_rows(tool, truth, ask(truth.file, THRESHOLD))
            rows.append(_template_row(tool, pages, ask(pages, THRESHOLD)))
            rows += gold_rows(tool, gold, ask)
    return rows


def _truth(texts: Sequence[str], kept: Path) -> Truth:
    """The documents with copies, and their pairs, which are kept: finding them takes a minute."""
    file, everything = kept / "documents.jsonl", with_copies(texts)
    write_texts(file, everything)
    rules = Path(near_truth.__file__).read_bytes()
    path = kept / f"truth-{hashlib.sha256(file.read_bytes() + rules).hexdigest()[:20]}.json"
    if not path.exists():
        found = near_truth.similar_pairs(everything, THRESHOLD)
        write_json(path, {"pairs": [[*pair, similarity] for pair, similarity in sorted(found.items())]})
    found = {(one, other): alike for one, other, alike in json.loads(path.read_text("utf-8"))["pairs"]}
    greedy = near_truth.removed_by_greed(everything, found)
    close = frozenset(pair for pair, alike in found.items() if alike < 0.85)
    return Truth(file, len(texts), frozenset(found), frozenset(greedy), close)


def _truth_rows(tool: str, truth: Truth, answer: Answer) -> list[Row]:
    """What a tool finds of the pairs, and whether what it removes is like something that stays."""
    ours, removed = tool == OURS, answer.removed
    pairs = sorted(truth.pairs)
    beside = near_truth.neighbours(pairs)
    caught = [bool({one, other} & removed) for one, other in pairs]
    natural = [hit for hit, (_, other) in zip(caught, pairs, strict=True) if other < truth.natural]
    close = [hit for hit, pair in zip(caught, pairs, strict=True) if pair in truth.close]
    stays = [bool(beside.get(row, set()) - removed) for row in sorted(removed)]
    alike = sum(row in beside for row in removed)
    wiped = [group for group in near_truth.components(pairs) if removed.issuperset(group)]
    note = f"natural {sum(natural)}/{len(natural)}, below 0.85 {sum(close)}/{len(close)}"
    expected = f"{len(removed):,} removed, by greed {len(truth.greedy):,}; {len(removed & truth.greedy):,} the same"
    return [
        _share(f"{tool}: recall of pairs at 0.8", caught, ">= 0.99" if ours else "", note),
        _share(f"{tool}: removed for one at 0.8 that stays", stays, ">= 1.0" if ours else "", expected),
        Row(f"{tool}: removed without any like it", len(removed) - alike, len(removed), bar="<= 0" if ours else ""),
        Row(f"{tool}: clusters wiped out", len(wiped), len(near_truth.components(pairs)), bar="<= 0" if ours else ""),
    ]


def _share(what: str, hits: Sequence[bool], bar: str, note: str) -> Row:
    number = mean([float(hit) for hit in hits])
    return Row(what, number.value or 0.0, number.n, number.low, number.high, bar, note)


def _template_row(tool: str, pages: Path, answer: Answer) -> Row:
    texts = read_texts(pages)
    number = mean([float(place in answer.removed) for place in range(len(texts))])
    bar, note = "<= 0" if tool == OURS else "", f"{len(answer.removed)} pages, all less alike than 0.8"
    return Row(
        f"{tool}: removed of pages of one template", number.value or 0.0, number.n, number.low, number.high, bar, note
    )


def _gold(path: Path, kept: Path) -> Gold:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        pages = [json.loads(line) for line in lines]
    file = kept / "gold.jsonl"
    write_texts(file, [page["text"] for page in pages])
    return Gold(file, tuple(str(page["cluster"]) for page in pages))
