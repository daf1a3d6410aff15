"""A frozen test set: what is in it stays in it, and what came later never crosses into it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.running import Heard, artifacts, report_of, rows_of, run, write_recipe, write_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import UserError
from tunesmith.data.funnel import funnel
from tunesmith.run import Outcome

Row = dict[str, object]
RECIPE = """
name: frozen
seed: 3
data:
  texts:
    - {source: jsonl, path: texts.jsonl, id: key, group: author, license: MIT}
    - {signal: ./clusters.py:cluster, as: near_dedup}
    - {pass: split, parts: {train: 0.6, validation: 0.2, test: 0.2}, together: [group, near_duplicates], frozen: ours}
"""
BOUNDED = RECIPE.replace("    - {pass", "    - {signal: characters, keep: {max: 40}}\n    - {pass")
CLUSTERS = """
def cluster(record) -> dict:
    return {"cluster": record["meta"].get("near")}
"""


def row(key: int, **more: object) -> Row:
    return {"key": f"k{key}", "text": f"text number {key}", **more}


def first_rows() -> list[Row]:
    """Sixty rows: some in groups, some in clusters, most in neither."""
    grouped = [row(n, author=f"author {n % 7}") for n in range(20)]
    near = [row(n, near=f"cluster {n % 5}") for n in range(20, 30)]
    return [*grouped, *near, *(row(n) for n in range(30, 60))]


def outcome_of(folder: Path, given: list[Row], recipe: str = RECIPE, **options: object) -> Outcome:
    write_rows(folder / "texts.jsonl", given)
    (folder / "clusters.py").write_text(CLUSTERS, "utf-8")
    return run(write_recipe(folder, recipe), folder / "ws", **options)


def parts(outcome: Outcome) -> dict[str, str]:
    """The part of each kept text."""
    return {str(row["text"]): str(row["part"]) for row in rows_of(outcome, "texts")}


def layers(folder: Path) -> set[Path]:
    return {path for path in artifacts(folder / "ws") if "split" in read_manifest(path).step}


def found(folder: Path) -> dict[str, object]:
    told = report_of(folder / "ws", "frozen")["lists"]["texts"]["passes"]  # type: ignore[index]  # a report is plain JSON
    return next(each["found"] for each in told if each["pass"] == "split")


def one_of(outcome: Outcome, part: str, column: str) -> dict[str, object]:
    """A record of this part that has something in a column."""
    return next(row for row in rows_of(outcome, "texts", part) if row[column])


def test_the_first_run_freezes_what_is_outside_the_first_part(tmp_path: Path) -> None:
    show = Heard()
    outcome = outcome_of(tmp_path, first_rows(), show=show)
    [folder] = artifacts(tmp_path / "ws", "frozen")
    members = pq.read_table(folder / "members.parquet").to_pylist()
    given = rows_of(outcome, "texts")
    assert {row["id"]: row["part"] for row in members} == {
        row["id"]: row["part"] for row in given if row["part"] != "train"
    }
    assert len(given) == 60
    assert f"ours: {len(members)} rows are frozen; they keep their parts from now on" in show.said


def test_a_rerun_makes_nothing_and_has_the_same_key(tmp_path: Path) -> None:
    outcome_of(tmp_path, first_rows())
    before = layers(tmp_path), artifacts(tmp_path / "ws", "frozen")
    outcome_of(tmp_path, first_rows())
    assert (layers(tmp_path), artifacts(tmp_path / "ws", "frozen")) == before


def test_a_first_run_is_divided_as_it_would_be_without_freezing(tmp_path: Path) -> None:
    frozen = parts(outcome_of(tmp_path / "a", first_rows()))
    assert frozen == parts(outcome_of(tmp_path / "b", first_rows(), RECIPE.replace(", frozen: ours", "")))


def test_earlier_assignments_win_whatever_comes_goes_or_is_asked_for(tmp_path: Path) -> None:
    before = parts(outcome_of(tmp_path, first_rows()))
    changed = RECIPE.replace("seed: 3", "seed: 4").replace("train: 0.6, validation: 0.2", "train: 0.2, validation: 0.6")
    after = parts(outcome_of(tmp_path, [row(n) for n in range(100, 160)] + first_rows()[5:], changed))
    assert {text: part for text, part in after.items() if text in before} == {
        text: part for text, part in before.items() if text in after
    }
    assert {after[f"text number {n}"] for n in range(100, 160)} == {"train"}


def test_a_frozen_row_is_known_by_its_text_where_its_id_is_new(tmp_path: Path) -> None:
    before = parts(outcome_of(tmp_path, first_rows()))
    renamed = [{**row, "key": f"new {row['key']}", "text": f"{row['text']}!".upper()} for row in first_rows()]
    after = parts(outcome_of(tmp_path, renamed))
    assert {text.rstrip("!").lower(): part for text, part in after.items()} == before


@pytest.mark.parametrize(("column", "given"), [("group", "author"), ("signal.near_dedup.cluster", "near")])
def test_a_row_that_shares_a_group_or_cluster_with_a_frozen_one_is_dropped(
    tmp_path: Path, column: str, given: str
) -> None:
    first = outcome_of(tmp_path, first_rows())
    shared = {part: str(one_of(first, part, column)[column]) for part in ("train", "test")}
    new = [row(100, **{given: shared["test"]}), row(101, **{given: shared["train"]}), row(102)]
    second = outcome_of(tmp_path, [*first_rows(), *new])
    assert "text number 100" not in parts(second)
    assert parts(second)["text number 101"] == parts(second)["text number 102"] == "train"
    assert funnel(second.lists["texts"]).dropped == {"split: crosses > max 0": 1}
    assert found(tmp_path)["crosses"] == {"a group or cluster": 1}


def test_a_group_stays_closed_when_its_frozen_rows_are_gone(tmp_path: Path) -> None:
    first = outcome_of(tmp_path, first_rows())
    author = one_of(first, "test", "group")["group"]
    rest = [row for row in first_rows() if row.get("author") != author]
    second = outcome_of(tmp_path, [*rest, row(100, author=author)])
    assert "text number 100" not in parts(second)
    gone = len(first_rows()) - len(rest)
    assert found(tmp_path)["frozen"]["members"] - found(tmp_path)["frozen"]["here"] == gone  # type: ignore[index]  # numbers of the report


def clustered(given: list[Row], texts: Mapping[str, str]) -> list[Row]:
    """The rows with other texts for some keys."""
    return [{**each, "text": texts.get(str(each["key"]), each["text"])} for each in given]


def test_what_comes_near_a_frozen_row_is_dropped_though_a_step_has_dropped_that_row(tmp_path: Path) -> None:
    first = outcome_of(tmp_path, first_rows(), BOUNDED)
    frozen = one_of(first, "test", "signal.near_dedup.cluster")
    key = str(frozen["text"]).rpartition(" ")[2]
    longer = clustered(first_rows(), {f"k{key}": "much longer " * 9})
    second = outcome_of(tmp_path, [*longer, row(100, near=frozen["signal.near_dedup.cluster"])], BOUNDED)
    assert "text number 100" not in parts(second)
    assert found(tmp_path)["frozen"]["dropped"] == 1  # type: ignore[index]  # numbers of the report


def test_what_was_dropped_beside_a_frozen_row_may_not_come_back_as_a_new_one(tmp_path: Path) -> None:
    first = outcome_of(tmp_path, first_rows(), BOUNDED)
    frozen = one_of(first, "test", "signal.near_dedup.cluster")
    shutil.rmtree(tmp_path / "ws")
    dropped = {"key": "k100", "text": "much longer " * 9, "near": frozen["signal.near_dedup.cluster"]}
    outcome_of(tmp_path, [*first_rows(), dropped], BOUNDED)
    without = [row for row in first_rows() if row.get("near") != frozen["signal.near_dedup.cluster"]]
    back = {"key": "k100", "text": dropped["text"]}
    outcome = outcome_of(tmp_path, [*without, back], BOUNDED.replace("{max: 40}", "{max: 400}"))
    assert dropped["text"] not in parts(outcome)
    assert found(tmp_path)["crosses"] == {"a known near-duplicate": 1}


def test_a_row_of_a_frozen_id_and_the_text_of_another_part_is_dropped(tmp_path: Path) -> None:
    before = parts(outcome_of(tmp_path, first_rows()))
    alone = {
        part: next(n for n in range(30, 60) if before[f"text number {n}"] == part) for part in ("validation", "test")
    }
    rows = [each for each in first_rows() if each["key"] not in {f"k{n}" for n in alone.values()}]
    outcome = outcome_of(tmp_path, [*rows, {"key": f"k{alone['test']}", "text": f"text number {alone['validation']}"}])
    assert funnel(outcome.lists["texts"]).dropped == {"split: crosses > max 0": 1}


def test_a_rehearsal_freezes_nothing(tmp_path: Path) -> None:
    outcome_of(tmp_path, first_rows(), rows=10)
    outcome_of(tmp_path, first_rows(), mark=True)
    assert not artifacts(tmp_path / "ws", "frozen")


def test_deleting_the_set_freezes_anew(tmp_path: Path) -> None:
    outcome_of(tmp_path, first_rows())
    shutil.rmtree(tmp_path / "ws/frozen/ours")
    outcome_of(tmp_path, [row(n, author=n) for n in range(200)])
    [folder] = artifacts(tmp_path / "ws", "frozen")
    assert 50 < pq.read_metadata(folder / "members.parquet").num_rows < 110


def test_a_frozen_part_that_is_now_the_first_is_a_mistake(tmp_path: Path) -> None:
    outcome_of(tmp_path, first_rows())
    with pytest.raises(UserError, match="'test' is frozen"):
        outcome_of(
            tmp_path,
            first_rows(),
            RECIPE.replace("train: 0.6, validation: 0.2, test", "test: 0.6, validation: 0.2, train"),
        )


def test_one_worker_and_two_freeze_the_same_bytes(tmp_path: Path) -> None:
    sets = []
    for workers in (1, 2):
        outcome_of(tmp_path / str(workers), first_rows(), workers=workers)
        [folder] = artifacts(tmp_path / str(workers) / "ws", "frozen")
        sets.append((folder.name, (folder / "manifest.json").read_bytes()))
    assert sets[0] == sets[1]
