"""Do the presets drop the documents that datatrove's filters drop? `python bench/agreement.py FILE.jsonl [FILE ...]`.

Each line of a file is a document with `text` (and `id`). For each filter: of the documents that either side drops, the
share that both drop, and every class of disagreement with both sides' numbers and its cause.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import peers
import pyarrow as pa
from checks.rows import Row
from table import as_json, show
from timing import run

from tunesmith.core.artifact import write_json
from tunesmith.core.bound import Bound, parse_bound
from tunesmith.core.registry import Named
from tunesmith.data.measure import apply
from tunesmith.data.op import Op
from tunesmith.recipe.presets import read_preset
from tunesmith.run.machine import describe_machine
from tunesmith.stats.intervals import mean

ROOT = Path(__file__).parent
BAR = ">= 0.95"
BATCH = 1_000
EXAMPLES = 3
FILTERS = {"gopher quality": "gopher", "gopher repetition": "gopher", "c4": "c4", "fineweb": "fineweb"}

WORDS = "words of spaCy's lists (cannot, and/or, 10km, emoticons) are cut otherwise: near the bound"
LINES = "it counts blank lines, and what stands before the first and after the last line end, as lines"
SENTENCES = "to it no sentence ends with Mr. or Inc., or in scripts whose letters spaCy does not know"
ENDS = "it looks at a line's last character, white space and carriage returns included"
# our measurement: its reason, the threshold it compares with, which of several such comparisons, the usual cause
RULES = {
    "word_tokens": ("gopher_short_doc", "min_doc_words", 0, WORDS),
    "symbols.hashes": ("gopher_too_many_hashes", "max_symbol_word_ratio", 0, WORDS),
    "symbols.ellipses": ("gopher_too_many_ellipsis", "max_symbol_word_ratio", 1, WORDS),
    "line_shapes.bullets": ("gopher_too_many_bullets", "max_bullet_lines_ratio", 0, "it knows only • and -; " + LINES),
    "line_shapes.ellipses": ("gopher_too_many_end_ellipsis", "max_ellipsis_lines_ratio", 0, LINES),
    "alpha_words": ("gopher_below_alpha_threshold", "max_non_alpha_words_ratio", 0, WORDS),
    "stop_words": ("gopher_enough_stop_words", "min_stop_words", 0, "The and To at a sentence's head are none to it"),
    "repetition.lines": ("dup_line_frac", "dup_line_frac", 0, LINES),
    "repetition.line_characters": ("dup_line_char_frac", "dup_line_char_frac", 0, LINES),
    "repetition.paragraphs": ("dup_para_frac", "dup_para_frac", 0, "a line of blanks ends no paragraph to it"),
    "repetition.paragraph_characters": (
        "dup_para_char_frac", "dup_para_char_frac", 0, "a line of blanks ends no paragraph to it",
    ),
    **{f"repetition.top_{n}_gram": (f"top_{n}_gram", f"top_{n}_gram", 0, WORDS) for n in (2, 3, 4)},
    **{
        f"repetition.repeated_{n}_grams": (f"duplicated_{n}_n_grams", f"duplicated_{n}_n_grams", 0, WORDS)
        for n in range(5, 11)
    },
    "c4_lines.sentences": ("too_few_sentences", "min_num_sentences", 0, SENTENCES),
    "fineweb_lines.stopped": ("line_punct_ratio", "line_punct_thr", 0, ENDS),
    "fineweb_lines.short": ("short_line_ratio", "short_line_threshold", 0, ENDS),
    "fineweb_lines.repeated_characters": ("char_dup_ratio", "char_duplicates_ratio", 0, ENDS),
    "fineweb_lines.newlines": ("list_ratio", "new_line_ratio", 0, WORDS),
}  # fmt: skip
REASONS = {rule[0]: name for name, rule in RULES.items()}


@dataclass(frozen=True)
class Decision:
    """What one filter of ours says of a document: why it drops it ("" if it does not), and all that it measured."""

    rule: str
    numbers: Mapping[str, float | None]


def main() -> None:
    """Ask both sides, print the table and the disagreements, write the results; ends with 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--peers", type=Path, default=peers.default_folder(), help="the folder of bench/peers.py")
    asked = parser.parse_args()
    python = peers.python_of("datatrove", asked.peers)
    parts = {}
    for file in asked.files:
        texts = [json.loads(line) for line in file.read_text("utf-8").split("\n") if line]
        side = ROOT / "sides" / "datatrove_decisions.py"
        theirs = [json.loads(line) for line in run([python, side, file.resolve()], cores=1).output.splitlines()]
        parts[file.stem] = [
            _row(name, texts, list(ours(preset, name, texts)), [their[name] for their in theirs])
            for name, preset in FILTERS.items()
        ]
    show(parts)
    write_json(ROOT / "results" / "agreement.json", {"parts": as_json(parts), "machine": describe_machine()})
    sys.exit(any(row.passed is False for rows in parts.values() for row in rows))


def ours(preset: str, name: str, rows: Sequence[Mapping[str, str]]) -> Iterator[Decision]:
    """What the steps of a preset that a filter of theirs stands for decide on each document."""
    steps = {
        label: step
        for label, step in read_preset(preset)["steps"].items()  # type: ignore[attr-defined]  # a mapping
        if preset != "gopher" or (label == "repetition") == (name == "gopher repetition")
    }
    bounds = dict(_bounds(steps))
    ops = [Op("signal", Named("signal", step["signal"]), label) for label, step in steps.items()]
    for start in range(0, len(rows), BATCH):
        texts = pa.array([row["text"] for row in rows[start : start + BATCH]])
        batch = pa.record_batch({"id": [str(at) for at in range(len(texts))], "text": texts})
        measured = {name: column.to_pylist() for name, column in zip(*_columns(apply(batch, ops).batch), strict=True)}
        for values in zip(*measured.values(), strict=True):
            numbers = dict(zip(measured, values, strict=True))
            yield Decision(next((rule for rule in bounds if bounds[rule].broken(numbers[rule])), ""), numbers)


def _columns(batch: pa.RecordBatch) -> tuple[list[str], list[pa.Array]]:
    names = [name for name in batch.schema.names if name.startswith("signal.")]
    return [name.removeprefix("signal.") for name in names], [batch[name] for name in names]


def _bounds(steps: Mapping[str, Mapping[str, Mapping[str, Mapping[str, object]]]]) -> Iterator[tuple[str, Bound]]:
    for label, step in steps.items():
        by_name = any(isinstance(bound, Mapping) for bound in step["keep"].values())
        for name, bound in step["keep"].items() if by_name else [("", step["keep"])]:
            yield f"{label}.{name}".strip("."), parse_bound(bound, label)


def _row(name: str, rows: Sequence[Mapping[str, str]], ours: Sequence[Decision], theirs: Sequence[Mapping]) -> Row:
    """The share of what either drops that both drop; prints each class of disagreement."""
    classes = defaultdict(list)
    both = []
    for row, our, their in zip(rows, ours, theirs, strict=True):
        if our.rule or their["reason"]:
            both.append(bool(our.rule and their["reason"]))
        if bool(our.rule) != bool(their["reason"]):
            classes[
                "ours" if our.rule else "datatrove", our.rule or REASONS.get(their["reason"], their["reason"])
            ].append((str(row.get("id", "")), our, their))
    for (side, rule), found in sorted(classes.items(), key=lambda item: -len(item[1])):
        print(
            f"{name}: {len(found)} dropped by {side} alone, for {rule}: {RULES.get(rule, ('', '', 0, 'see rule'))[3]}"
        )
        for line in _examples(rule, found[:EXAMPLES]):
            print(line)
    number = mean(both)
    note = f"{sum(both)} by both, {len(rows)} documents, {sum(our.rule != '' for our in ours)} by ours"
    return Row(
        f"dropped by both, of those dropped by either: {name}",
        number.value or 0.0,
        len(both),
        number.low,
        number.high,
        BAR,
        note,
    )


def _examples(rule: str, found: Iterable[tuple[str, Decision, Mapping]]) -> Iterator[str]:
    _, threshold, which, _ = RULES.get(rule, ("", "", 0, ""))
    for name, our, their in found:
        seen = their["numbers"].get(threshold, [])
        number = f"{seen[which]:.4g}" if which < len(seen) else "not compared"
        yield f"    {our.numbers.get(rule, 0):.4g} by ours, {number} by datatrove: {name}"


if __name__ == "__main__":
    main()
