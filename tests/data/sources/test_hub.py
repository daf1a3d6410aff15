"""Datasets of the Hub: the files of a split by the card or by their names, from a folder or by an id."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath
from tunesmith.data.rows import columnar_batch, to_batch
from tunesmith.data.sources.hub import Piece, check, fingerprint, hub, pin, read


def texts(pieces: Iterable[Piece]) -> list[str]:
    found: list[str] = []
    for item in (item for piece in pieces for item in read(piece)):
        to: Any = columnar_batch if isinstance(item, pa.RecordBatch) else lambda row, **names: to_batch([row], **names)
        batch, quarantined = to(item, source="hub")
        assert quarantined == []
        found += batch["text"].to_pylist() if "text" in batch.schema.names else batch["messages"].to_pylist()
    return found


def local(folder: Path, **parameters: Any) -> list[str]:
    return texts(hub(folder=LocalPath(str(folder)), **parameters))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": [text]}), path)
    elif path.suffix == ".csv":
        path.write_text(f"text\n{text}\n")
    else:
        path.write_text(text if path.name == "README.md" else json.dumps({"text": text}) + "\n")


def test_splits_are_told_by_the_names_of_files_and_folders(tmp_path: Path) -> None:
    for name in (
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/test-00000-of-00001.parquet",
    ):
        write(tmp_path / "sharded" / name, name)
    assert local(tmp_path / "sharded") == ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]
    assert local(tmp_path / "sharded", split="test") == ["data/test-00000-of-00001.parquet"]
    for name in ("train.jsonl", "my_dev.csv", "notes.txt"):
        write(tmp_path / "plain" / name, name)
    assert local(tmp_path / "plain") == ["train.jsonl"]
    assert local(tmp_path / "plain", split="validation") == ["my_dev.csv"]
    with pytest.raises(UserError, match="there is no split 'tests'") as caught:
        local(tmp_path / "sharded", split="tests")
    assert caught.value.hint == "Did you mean 'test'?"


def test_files_that_tell_no_split_are_the_training_split(tmp_path: Path) -> None:
    write(tmp_path / "b.csv", "b")
    write(tmp_path / "a.jsonl", "a")
    assert local(tmp_path) == ["a", "b"]


CARD = """---
license: cc-by-sa-4.0
configs:
- config_name: english
  default: true
  data_files:
  - split: train
    path: ["en/part-*.jsonl", "more/**/x.jsonl"]
  - {split: extra, path: en/extra.jsonl}
- config_name: german
  data_files: "de/*.jsonl"
- config_name: french
  data_dir: fr
---
# A card
"""


def test_the_card_says_configurations_splits_and_the_licence(tmp_path: Path) -> None:
    for name in (
        "en/part-1.jsonl",
        "en/extra.jsonl",
        "en/part-2.csv",
        "more/a/b/x.jsonl",
        "de/a.jsonl",
        "fr/test.jsonl",
    ):
        write(tmp_path / name, name)
    write(tmp_path / "README.md", CARD)
    assert local(tmp_path) == ["en/part-1.jsonl", "more/a/b/x.jsonl"]
    assert local(tmp_path, split="extra") == ["en/extra.jsonl"]
    assert local(tmp_path, name="german") == ["de/a.jsonl"]
    assert local(tmp_path, name="french", split="test") == ["fr/test.jsonl"]
    assert {piece.license for piece in hub(folder=LocalPath(str(tmp_path)))} == {"CC-BY-SA-4.0"}
    with pytest.raises(UserError, match="there is no configuration 'germany'") as caught:
        local(tmp_path, name="germany")
    assert "german" in caught.value.hint


def test_several_configurations_without_a_default_have_to_be_chosen(tmp_path: Path) -> None:
    write(tmp_path / "en/a.jsonl", "a")
    write(
        tmp_path / "README.md",
        "---\nconfigs:\n- {config_name: en, data_files: en/*}\n- {config_name: de, data_files: x}\n---\n",
    )
    with pytest.raises(UserError, match="several configurations") as caught:
        local(tmp_path)
    assert caught.value.hint == "Choose one by name: en, de."


@pytest.mark.parametrize(
    ("written", "license"),
    [("mit", "MIT"), ("[apache-2.0, gpl-3.0]", "Apache-2.0 AND GPL-3.0-only"), ("other", None), ("[mit, other]", None)],
)
def test_licences_of_cards_are_told_as_spdx_tells_them(tmp_path: Path, written: str, license: str | None) -> None:
    write(tmp_path / "a.jsonl", "a")
    write(tmp_path / "README.md", f"---\nlicense: {written}\n---\n")
    assert [piece.license for piece in hub(folder=LocalPath(str(tmp_path)))] == [license]


def test_an_older_description_names_the_licence_too(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", "a")
    (tmp_path / "dataset_infos.json").write_text(json.dumps({"default": {"license": "mit"}}))
    assert [piece.license for piece in hub(folder=LocalPath(str(tmp_path)))] == ["MIT"]


@pytest.mark.filterwarnings("ignore")
def test_what_the_datasets_library_saves_is_read(tmp_path: Path) -> None:
    datasets.disable_progress_bars()
    parts = {"train": ["a", "b"], "test": ["c"]}
    saved = datasets.DatasetDict({name: datasets.Dataset.from_dict({"text": some}) for name, some in parts.items()})
    saved.save_to_disk(tmp_path / "all")
    saved["test"].save_to_disk(tmp_path / "one")
    assert local(tmp_path / "all") == ["a", "b"]
    assert local(tmp_path / "all", split="test") == ["c"]
    assert local(tmp_path / "one") == ["c"]


def test_a_damaged_arrow_file_is_quarantined(tmp_path: Path) -> None:
    (tmp_path / "a.arrow").write_bytes(b"no table")
    (row,) = [row for piece in hub(folder=LocalPath(str(tmp_path))) for row in read(piece)]
    assert "no Arrow file" in row["quarantine"]["error"]  # type: ignore[index, call-overload]


def test_rows_of_chats_are_read_as_chats(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps({"conversations": [{"from": "human", "value": "a"}]}))
    assert [turn["content"] for chat in local(tmp_path, chats=True) for turn in chat] == ["a"]  # type: ignore[index]


def test_a_folder_without_tables_says_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "notes.txt", "a")
    with pytest.raises(UserError, match=r"no .parquet, .jsonl, .*file") as caught:
        local(tmp_path)
    assert caught.value.hint == "There: notes.txt."


def test_the_uri_of_a_row_does_not_tell_where_the_folder_lies(tmp_path: Path) -> None:
    write(tmp_path / "set/a.jsonl", "a")
    (piece,) = hub(folder=LocalPath(str(tmp_path / "set")))
    assert piece.file.uri == "set/a.jsonl"
    assert str(tmp_path) not in fingerprint(piece)


@pytest.mark.parametrize("given", [{}, {"folder": "a", "dataset": "b"}])
def test_a_dataset_is_named_in_one_of_two_ways(given: dict[str, str]) -> None:
    with pytest.raises(UserError, match="a folder: or a dataset:, one of them"):
        check(**given)


class Remote:
    """A Hub of one dataset, kept in a folder."""

    folder: Path

    def list_repo_files(self, dataset: str, *, repo_type: str, revision: str | None) -> list[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()]

    def dataset_info(self, dataset: str, *, revision: str | None) -> SimpleNamespace:
        return SimpleNamespace(sha="0123abc")


def test_a_dataset_on_the_hub_is_pinned_and_fetched_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[tuple[str, str | None]] = []

    def download(dataset: str, name: str, *, repo_type: str, revision: str | None) -> str:
        fetched.append((name, revision))
        return str(tmp_path / name)

    Remote.folder = tmp_path
    monkeypatch.setattr(huggingface_hub, "HfApi", Remote)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    for name in ("train.jsonl", "test.jsonl"):
        write(tmp_path / name, name)
    write(tmp_path / "README.md", "---\nlicense: mit\n---\n")
    pieces = hub(dataset="org/set", **pin(dataset="org/set"))  # type: ignore[arg-type]  # a revision
    assert [piece.file.uri for piece in pieces] == ["hf://datasets/org/set@0123abc/train.jsonl"]
    assert fetched == [("README.md", "0123abc")]
    assert texts(pieces) == ["train.jsonl"]
    assert fetched[1:] == [("train.jsonl", "0123abc")]
    assert pieces[0].license == "MIT"


def test_a_hub_that_cannot_be_reached_is_told_with_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host\nand more")

    monkeypatch.setattr(Remote, "dataset_info", refuse)
    monkeypatch.setattr(huggingface_hub, "HfApi", Remote)
    with pytest.raises(UserError, match=r"'org/set' cannot be fetched: ConnectionError: no route to host\n") as caught:
        pin(dataset="org/set")
    assert "folder:" in caught.value.hint
