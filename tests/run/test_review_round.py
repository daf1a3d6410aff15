"""A round of review goes out as a CSV and comes back as people's programs save it."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from tests.running import bytes_of, cli, rows_of, run, write_recipe, write_rows

from tunesmith.core.errors import UserError, Waiting
from tunesmith.data.funnel import funnel

RECIPE = """
name: reviewed
data:
  texts:
    - {source: jsonl, path: texts.jsonl}
    - {review: quality, sample: 4}
    - {pass: split, parts: {train: 0.5, test: 0.5}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_rows(tmp_path / "texts.jsonl", [{"text": f"text; number, {n}"} for n in range(12)])
    return write_recipe(tmp_path, RECIPE)


@pytest.fixture
def opened(recipe: Path, tmp_path: Path) -> Path:
    """The file of an open round."""
    with pytest.raises(Waiting):
        run(recipe, tmp_path / "ws")
    [path] = (tmp_path / "ws" / "reviews").rglob("round.csv")
    return path


def fill(path: Path, verdicts: list[str], *, delimiter: str = ",", encoding: str = "utf-8") -> None:
    """Write verdicts into a round, and save it as a program does that likes other signs."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
        writer.writeheader()
        given = verdicts + [""] * (len(rows) - len(verdicts))
        writer.writerows(
            {**row, "verdict": verdict, "reviewer": "ann"} for row, verdict in zip(rows, given, strict=True)
        )


def test_the_command_line_says_which_file_waits_with_exit_code_3_and_then_goes_on(recipe: Path, tmp_path: Path) -> None:
    waiting = cli("run", recipe, "--workspace", tmp_path / "ws")
    assert waiting.code == 3, waiting.all
    assert "4 of 4 records wait for a person's verdict" in waiting.err
    path = Path(re.findall(r"\S+round\.csv", waiting.err)[0])
    fill(path, ["drop", "keep"])
    assert "2 of 4 records wait" in cli("run", recipe, "--workspace", tmp_path / "ws").err
    fill(path, ["drop", "keep", "Keep ", "DROP"])
    done = cli("run", recipe, "--workspace", tmp_path / "ws")
    assert done.code == 0, done.all
    assert "12 in, 10 kept, 2 dropped" in done.out


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-8")])
def test_verdicts_are_read_however_a_spreadsheet_saves_them(
    delimiter: str, encoding: str, opened: Path, recipe: Path, tmp_path: Path
) -> None:
    fill(opened, ["drop", "keep", "keep", "keep"], delimiter=delimiter, encoding=encoding)
    outcome = run(recipe, tmp_path / "ws")
    assert funnel(outcome.lists["texts"]).dropped == {"quality: verdict in deny [drop]": 1}
    assert len(rows_of(outcome, "texts")) == 11


def test_what_is_no_verdict_is_told_with_its_row(opened: Path, recipe: Path, tmp_path: Path) -> None:
    fill(opened, ["keep", "perhaps", "keep", "keep"])
    with pytest.raises(UserError, match=r"round.csv, row 3: 'perhaps' is no verdict"):
        run(recipe, tmp_path / "ws")


def test_a_file_that_lost_rows_columns_or_its_encoding_is_told(opened: Path, recipe: Path, tmp_path: Path) -> None:
    whole = opened.read_bytes().decode()
    for text, said in (
        (whole.rsplit("\r\n", 2)[0] + "\r\n", "1 of 4 records are gone"),
        (whole + whole.splitlines()[1] + "\r\n", "stands there twice"),
        (whole.replace("verdict", "judgement"), "there is no column 'verdict'"),
    ):
        opened.write_bytes(text.encode())
        with pytest.raises(UserError, match=said):
            run(recipe, tmp_path / "ws")
    opened.write_bytes(whole.encode() + b"\xff")
    with pytest.raises(UserError, match="is not UTF-8"):
        run(recipe, tmp_path / "ws")


def test_a_closed_round_is_an_artifact_and_a_later_change_to_its_file_is_noticed(
    opened: Path, recipe: Path, tmp_path: Path
) -> None:
    fill(opened, ["keep"] * 4)
    run(recipe, tmp_path / "ws")
    before = bytes_of(tmp_path / "ws")
    run(recipe, tmp_path / "ws")
    assert bytes_of(tmp_path / "ws") == before
    fill(opened, ["drop"] * 4)
    with pytest.raises(UserError, match="was changed after its round had closed"):
        run(recipe, tmp_path / "ws")
    (opened.parent / "manifest.json").unlink()
    assert len(rows_of(run(recipe, tmp_path / "ws"), "texts")) == 8


def test_the_same_records_are_shown_each_time(opened: Path, recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(Waiting):
        run(recipe, tmp_path / "other")
    [other] = (tmp_path / "other" / "reviews").rglob("round.csv")
    assert other.read_bytes() == opened.read_bytes()
