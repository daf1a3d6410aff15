"""What passes found and what overlaps training, on the page: shown as text, never as markup."""

from __future__ import annotations

from tunesmith.web.sections.overlap import overlap
from tunesmith.web.sections.passes import passes

FOUND = {
    "sentences": ["3 of 9 records <b>repeat</b> another."],
    "tables": [{"title": "Lines", "columns": ["line", "documents"], "rows": [["Home | About", 7]]}, {"title": "None"}],
    "charts": [{"title": "Sizes", "labels": ["2", "3"], "counts": [4, 1]}],
}


def test_sentences_tables_and_charts_of_a_pass_are_shown_and_empty_tables_are_not() -> None:
    report = {"lists": {"texts": {"in": 9, "passes": [{"pass": "exact_dedup", "found": FOUND}]}}}
    section = passes(report)
    assert section is not None
    body = str(section.body)
    assert "texts · exact_dedup" in body
    assert "&lt;b&gt;repeat&lt;/b&gt;" in body
    assert "Home | About" in body
    assert "None" not in body
    assert passes({"lists": {"texts": {"in": 9, "passes": [{"pass": "sample", "found": {"n": 1}}]}}}) is None


def test_rows_that_overlap_training_are_shown_with_their_share_and_a_clean_test_set_says_nothing() -> None:
    example = {"id": "a" * 32, "prompt": "a <question>", "overlap": 0.75, "row": "b" * 32}
    found = {"rows": 40, "contaminated": 1, "bound": "max 0.5", "examples": [example]}
    section = overlap({"overlap": found})
    assert section is not None
    assert "1 of 40 test rows (2.5 %)" in section.lead
    assert "a &lt;question&gt;" in str(section.body)
    assert overlap({"overlap": {**found, "contaminated": 0}}) is None
