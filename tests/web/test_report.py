"""What a person sees on the page of a run."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from tunesmith.web.report import report_html
from tunesmith.web.sections.training import training

Report = dict[str, Any]
SCRIPT = "<script>alert('x')</script>"
BARE: Report = {"run": "r", "records": {}, "numbers": {}, "gate": {}, "seconds": {}, "artifacts": {}}


class Page(HTMLParser):
    """The text and the tags of a page, and whether every tag that opens also closes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "wbr", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def test_the_story_comes_first_and_the_verdicts_are_said_in_words(report: Report) -> None:
    text = Page(report_html(report)).text
    assert text.index("Read 50,211 Python functions") < text.index("Quality gate")
    assert "tuned ✓ Passed All 6 checks passed." in text
    assert "overtrained ✗ Refused style is 0.945; it has to be at least 0.95." in text


def test_the_funnel_shows_every_step_with_its_reason_and_numbers(report: Report) -> None:
    text = Page(report_html(report)).text
    assert "50,211 in = 21,867 kept + 28,332 dropped + 12 quarantined ✓ every record is accounted for" in text
    assert "words min 3, max 20 −6,006 12.0 % 43,913" in text
    assert "kept train 16,918 · validation 2,301 · test 2,648 43.6 % 21,867" in text


def test_a_funnel_that_does_not_add_up_says_so(report: Report) -> None:
    report["lists"]["functions"]["kept"] -= 7
    assert "✗ 7 records are not accounted for" in Page(report_html(report)).text


def test_a_run_without_steps_still_has_a_funnel_made_of_its_reasons() -> None:
    records = {"in": 10, "made": 2, "kept": 7, "dropped": {"words: min 3": 4}, "quarantined": 1}
    text = Page(report_html({**BARE, "records": records})).text
    assert "10 in + 2 made = 7 kept + 4 dropped + 1 quarantined" in text
    assert "words min 3 −4 36.4 % 7" in text


def test_forty_steps_are_folded_but_all_forty_reasons_are_there() -> None:
    reasons = {f"regex_{index}: max 0": index + 1 for index in range(40)}
    records = {"in": 1000, "made": 0, "kept": 1000 - sum(reasons.values()), "dropped": reasons, "quarantined": 0}
    page = report_html({**BARE, "records": records})
    assert "26 smaller steps dropped 351 records together" in page
    assert all(f"{reason}<" in page for reason in reasons)


def test_every_arm_is_printed_with_n_and_interval_also_one_that_beats_ours(report: Report) -> None:
    text = Page(report_html(report)).text
    assert "style n 1,000" in text
    assert "name_ split arm 0.312 [0.303, 0.321]" in text
    assert "tuned @stdlib only 0.971 [0.950, 0.991] n 212" in text


def test_whatever_stands_in_the_data_is_shown_and_never_run(report: Report) -> None:
    report |= {"run": SCRIPT, "goal": SCRIPT, "story": [SCRIPT], "warnings": [SCRIPT], "artifacts": {SCRIPT: SCRIPT}}
    report["lists"][SCRIPT] = {**report["lists"]["functions"], "sources": {SCRIPT: 1}}
    report["lists"]["functions"]["samples"]["kept"][0] |= {"text": SCRIPT, "id": SCRIPT}
    report["numbers"][f"{SCRIPT}/{SCRIPT}"] = {"value": 0.5, "n": 10, "low": 0.4, "high": 0.6}
    report["curves"][SCRIPT] = [{"step": 0, SCRIPT: 1.0}, {"step": 1, SCRIPT: 2.0}]
    report["histograms"][SCRIPT] = {SCRIPT: {"edges": [0, 1], "counts": [1], "bounds": {SCRIPT: 0.5}}}
    page = Page(report_html(report))
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(SCRIPT) > 10


def test_control_signs_and_lone_surrogates_cannot_break_the_file(report: Report) -> None:
    report["story"] = ["red \x1b[31m, null \x00, half \ud800, backwards \u202e."]
    page = report_html(report)
    assert "red �[31m, null �, half �, backwards �." in page
    assert page.encode("utf-8")


def test_the_page_is_one_file_that_fetches_and_runs_nothing(report: Report) -> None:
    page = Page(report_html(report))
    addresses = [value for _, given in page.tags for key, value in given.items() if key in ("src", "href")]
    assert all(address is not None and address.startswith("#") for address in addresses)
    assert "default-src 'none'" in str(page.tags[2:6])
    assert "url(" not in report_html(report)


def test_every_picture_has_words_and_every_table_a_caption(report: Report) -> None:
    page = Page(report_html(report))
    names = [tag for tag, _ in page.tags]
    pictures = [given for tag, given in page.tags if tag == "svg"]
    assert len(pictures) > 40
    assert all(given["aria-label"] for given in pictures)
    assert names.count("caption") == names.count("table")
    assert names.count("h1") == 1
    assert not page.open


def test_no_picture_is_without_its_n(report: Report) -> None:
    labels = [str(given["aria-label"]) for tag, given in Page(report_html(report)).tags if tag == "svg"]
    assert all(re.search(r"\bn \d|\d points", label) for label in labels)


def test_the_links_at_the_top_lead_to_sections_that_are_there() -> None:
    page = Page(report_html({**BARE, "records": {"in": 1, "kept": 1}, "seconds": {"collect": 1.5}}))
    links = {str(given["href"])[1:] for tag, given in page.tags if tag == "a"}
    assert links == {"content", "data", "ledger"}
    assert links <= {given.get("id") for _, given in page.tags}


def test_a_run_that_failed_before_anything_was_counted_has_a_page() -> None:
    page = Page(report_html({**BARE, "state": "failed", "story": ["The file raw.jsonl is empty."]}))
    assert "Failed half-way" in page.text
    assert "The file raw.jsonl is empty." in page.text


def test_numbers_that_were_not_measured_are_not_drawn() -> None:
    missing = {"value": float("nan"), "n": 0, "low": None, "high": None}
    curves = {"a": [{"step": 0, "loss": float("nan")}], "b": []}
    page = Page(report_html({**BARE, "numbers": {"a/f1": missing}, "curves": curves}))
    assert "not measured no interval" in page.text
    assert "svg" not in {tag for tag, _ in page.tags}


def test_the_same_report_gives_the_same_bytes(report: Report) -> None:
    assert report_html(report) == report_html(report)


def test_paired_differences_show_both_intervals_in_one_cell(report: Report) -> None:
    text = Page(report_html(report)).text
    assert "tuned minus before +0.198 [0.185, 0.240] n 1,000 rows [0.175, 0.283] n 42 groups" in text


def test_a_step_that_makes_records_shows_them_as_made() -> None:
    steps = [
        {"step": "read", "in": 4, "dropped": 0, "kept": 4, "why": ""},
        {"step": "pairs", "in": 4, "dropped": 4, "kept": 3, "why": "became another record"},
    ]
    records = {"in": 4, "made": 3, "kept": 3, "dropped": {"pairs: became another record": 4}, "steps": steps}
    text = Page(report_html({**BARE, "lists": {"pairs": records}})).text
    assert "in records read 4 pairs became another record +3 made −4 57.1 % 3 kept" in text


def test_a_bound_off_the_picture_is_told_but_not_drawn() -> None:
    words = {"edges": [1, 2, 3], "counts": [5, 5], "bounds": {"max": 20, "min": 2}}
    page = report_html({**BARE, "histograms": {"docs": {"words": words}}})
    assert "min 2, max 20 · n 10" in page
    assert ">min 2</text>" in page
    assert ">max 20</text>" not in page


def test_what_a_training_found_is_told_as_facts_unless_a_section_draws_it() -> None:
    found = {"tokens": 12345, "reward": {"accuracy": 0.9}, "mixture": {"web_share": 0.25, "by": [1, 2]}}
    section = training({"training": {"model": {"kind": "pretrain", "found": found}}})
    assert section is not None
    body = str(section.body)
    assert "Found by model" in body
    assert "12,345" in body
    assert "mixture web share" in body.replace("<wbr>", "")
    assert "accuracy" not in body
