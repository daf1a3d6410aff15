"""in + made = kept + dropped + quarantined, whatever the rows and the bounds."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.running import rows_of, run, write_recipe

from tunesmith.data.funnel import dropped_rows, funnel

MINE = """
def halves(record):
    words = record["text"].split()
    if len(words) == 3:
        raise ValueError("three words")
    middle = len(words) // 2
    return [{"text": " ".join(words[:middle])}, {"text": " ".join(words[middle:])}] if middle else []
"""
LINES = st.one_of(
    st.lists(st.sampled_from(["a", "bb", "ccc", "ann@example.com"]), min_size=1, max_size=6).map(
        lambda words: json.dumps({"text": " ".join(words)})
    ),
    st.sampled_from(["{torn", "3", '{"txt": "no text"}', "", '{"text": 7}']),
)
LIMIT = st.one_of(st.integers(0, 6), st.sampled_from(["p10", "p50", "p90"]))
BOUNDS = st.dictionaries(st.sampled_from(["min", "max", "above", "below"]), LIMIT, min_size=1, max_size=2)


@settings(max_examples=25, deadline=None)
@given(
    files=st.lists(st.lists(LINES, min_size=1, max_size=12), min_size=1, max_size=3),
    words=BOUNDS,
    characters=BOUNDS,
    mark=st.booleans(),
    deduplicate=st.booleans(),
)
def test_no_record_is_ever_unaccounted_for(
    files: list[list[str]], words: dict[str, object], characters: dict[str, object], mark: bool, deduplicate: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, lines in enumerate(files):  # one row in each that can be read
            (folder / f"{number}.jsonl").write_text("\n".join(['{"text": "one row"}', *lines]) + "\n", "utf-8")
        (folder / "mine.py").write_text(MINE, "utf-8")
        steps = [
            "{source: jsonl, path: '*.jsonl'}",
            f"{{signal: words, keep: {_yaml(words)}}}",
            *(["{pass: exact_dedup}"] if deduplicate else []),
            "{make: ./mine.py:halves}",
            f"{{signal: characters, keep: {_yaml(characters)}}}",
        ]
        text = "name: kept\nquarantine: {max: 1}\ndata:\n  texts:\n" + "".join(f"    - {step}\n" for step in steps)
        outcome = run(write_recipe(folder, text), folder / "ws", workers=1, mark=mark)
        dataset = outcome.lists["texts"]
        counts = funnel(dataset)
        readable = sum(len([line for line in lines if line.strip()]) + 1 for lines in files)
        assert counts.read == readable
        assert counts.read + counts.made == counts.kept + sum(counts.dropped.values()) + counts.quarantined
        gone = [row for table in dropped_rows(dataset) for row in table.to_pylist()]
        kept = rows_of(outcome, "texts")
        assert len(kept) == counts.kept
        assert len(gone) == sum(counts.dropped.values())
        assert all(row["step"] and row["why"] for row in gone)
        quarantined = [
            p for p in (folder / "ws").rglob("quarantine/*.jsonl") if (p.parents[1] / "manifest.json").exists()
        ]
        lines_there = sum(len(path.read_text("utf-8").splitlines()) for path in quarantined)
        assert lines_there == counts.quarantined
        made = [row for row in kept if row.get("parents")]
        assert {cast(list[str], row["parents"])[0] for row in made}.isdisjoint(row["id"] for row in kept)
        assert len({row["id"] for row in kept}) == len(kept)
        if mark:
            assert not [
                reason for reason in counts.dropped if reason.startswith(("words", "characters", "exact_dedup"))
            ]


def _yaml(bound: dict[str, object]) -> str:
    return "{" + ", ".join(f"{name}: {limit}" for name, limit in bound.items()) + "}"
