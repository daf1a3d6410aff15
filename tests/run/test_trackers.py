"""Trainings followed by trackers: what was told is read back from where each keeps it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.running import Heard, artifacts, run, write_recipe, write_rows
from tests.train.train_toys import scratch_rows

from tunesmith.core.errors import Mistakes, UserError
from tunesmith.recipe import load_recipe
from tunesmith.run.trackers import Trackers, open_trackers

RECIPE = """\
name: followed
base: scratch:0.1M
TRACKdata:
  rows:
    - {source: jsonl, path: rows.jsonl}
    - pass: split
      parts: {train: 0.8, validation: 0.2}
waive:
  - {check: examples_least, reason: the test has few rows}
  - {check: duplicates, reason: the test repeats rows}
  - {check: validation_set, reason: the test keeps none}
train:
  - {sft: model, steps: 6, batch_size: 8, tokenizer: {vocabulary: 300}}
"""
SETTINGS = {"learning_rate": 0.01, "adapter": None, "kind": "words"}


def recipe(folder: Path, track: str = "") -> Path:
    write_rows(folder / "rows.jsonl", scratch_rows())
    return write_recipe(folder, RECIPE.replace("TRACK", f"track: {track}\n" if track else ""))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run, and an environment in which no tracker is told to go elsewhere."""
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "WANDB_", "TRACKIO_"))]:
        monkeypatch.delenv(name)
    path = tmp_path / "runs" / "followed"
    path.mkdir(parents=True)
    return path


def follow(name: str, folder: Path) -> None:
    """One training of three steps: interrupted after the second, gone on with, and its curve at the end."""
    for steps in ((1, 2), (3,)):
        tracker = open_trackers([name], "model-12345678", folder, SETTINGS, pytest.fail)
        for step in steps:
            tracker.log(step, {"train/loss": 1 / step, "train/tokens_a_second": 1000.0})
        if steps == (3,):
            tracker.log(2, {"curve/validation_loss": 0.75})
        tracker.close()


def test_tensorboard_writes_event_files(folder: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    pytest.importorskip("torch")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    follow("tensorboard", folder)
    read = EventAccumulator(str(folder / "tensorboard" / "model-12345678"))
    read.Reload()
    losses = {event.step: event.value for event in read.Scalars("train/loss")}
    assert losses == pytest.approx({1: 1.0, 2: 0.5, 3: 1 / 3})
    assert [(event.step, event.value) for event in read.Scalars("curve/validation_loss")] == [(2, 0.75)]


def test_mlflow_writes_a_store_of_its_own(folder: Path) -> None:
    for name in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(name, reason="mlflow is not installed")
    from mlflow import MlflowClient

    follow("mlflow", folder)
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    known = client.get_experiment_by_name("followed")
    assert known is not None
    (one,) = client.search_runs([known.experiment_id])
    assert one.info.status == "FINISHED"
    assert one.data.params == {"learning_rate": "0.01", "kind": "words"}
    losses = {point.step: point.value for point in client.get_metric_history(one.info.run_id, "train/loss")}
    assert losses == pytest.approx({1: 1.0, 2: 0.5, 3: 1 / 3})
    assert one.data.metrics["curve/validation_loss"] == 0.75
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_wandb_writes_a_folder_to_be_synced(folder: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    follow("wandb", folder)
    written = sorted((folder / "wandb").glob("offline-run-*/*.wandb"))
    assert len(written) == 2  # the second is of the same id, and goes on from the first
    told = [numbers for path in written for numbers in wandb_history(path)]
    assert {n["step"]: n["train/loss"] for n in told if "train/loss" in n} == pytest.approx({1: 1.0, 2: 0.5, 3: 1 / 3})
    assert [n["step"] for n in told if n.get("curve/validation_loss") == 0.75] == [2]
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"


def wandb_history(path: Path) -> Iterator[Mapping[str, float]]:
    """The numbers in a .wandb file: 7 bytes of its own, then records in the log format of LevelDB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, whole = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if 32768 - place % 32768 < 7:  # what is left of a block is too short for a header
            place += 32768 - place % 32768
        if kind in (1, 4):  # a whole record, or its last part
            record = Record.FromString(whole)
            whole = b""
            if record.WhichOneof("record_type") == "history":
                yield {one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in record.history.item}


def test_trackio_writes_a_store_of_its_own(folder: Path) -> None:
    if find_spec("trackio") is None:  # it fixes its folder when it is imported
        pytest.skip("trackio is not installed")
    follow("trackio", folder)
    with sqlite3.connect(folder / "trackio" / "followed.db") as store:
        told = [(step, json.loads(numbers)) for step, numbers in store.execute("SELECT step, metrics FROM metrics")]
    losses = {step: numbers["train/loss"] for step, numbers in told if "train/loss" in numbers}
    assert losses == pytest.approx({1: 1.0, 2: 0.5, 3: 1 / 3})
    assert (2, 0.75) in [(step, numbers.get("curve/validation_loss")) for step, numbers in told]


def test_a_run_is_followed_from_its_recipe_and_its_checkpoint_is_the_same(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(recipe(tmp_path, "tensorboard"), tmp_path / "followed")
    run(recipe(tmp_path), tmp_path / "alone")
    (checkpoint,) = artifacts(tmp_path / "followed", "checkpoints")
    (other,) = artifacts(tmp_path / "alone", "checkpoints")
    for name in ("manifest.json", "model.safetensors"):
        assert (checkpoint / name).read_bytes() == (other / name).read_bytes()
    (written,) = (tmp_path / "followed" / "runs" / "followed" / "tensorboard").iterdir()
    assert written.name == f"model-{checkpoint.name[:8]}"
    read = EventAccumulator(str(written))
    read.Reload()
    curve = json.loads((checkpoint / "curve.json").read_text())
    assert [event.step for event in read.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    losses = [event.value for event in read.Scalars("curve/validation_loss")]
    assert losses == pytest.approx([entry["validation_loss"] for entry in curve])


class Broken:
    """A tracker whose disk is full from the second step on."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        if step > 1:
            raise OSError("no space left")
        self.steps.append(step)

    def close(self) -> None:
        pytest.fail("it was left out before")


class Whole(Broken):
    """A tracker that takes all."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self.steps.append(step)

    def close(self) -> None:
        self.steps.append(-1)


def test_a_tracker_that_fails_is_told_of_once_and_left_out() -> None:
    heard, broken, whole = Heard(), Broken(), Whole()
    both = Trackers({"wandb": broken, "mlflow": whole}, heard.say)
    for step in (1, 2, 3):
        both.log(step, {"loss": 1.0})
    both.close()
    assert heard.said == ["wandb no longer follows the training: OSError: no space left"]
    assert (broken.steps, whole.steps) == ([1], [1, 2, 3, -1])


def test_a_tracker_that_cannot_be_opened_is_a_mistake_with_a_way_out(folder: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    (folder / "tensorboard").write_text("a file, where its folder should be")
    with pytest.raises(UserError, match="track: tensorboard cannot be opened: ") as found:
        open_trackers(["tensorboard"], "model-12345678", folder, SETTINGS, pytest.fail)
    assert "take tensorboard out of track:" in found.value.hint


def test_a_name_that_is_no_tracker_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(Mistakes) as found:
        load_recipe(recipe(tmp_path, "[tensorboard, wandbb, 3]"))
    assert [error.problem for error in found.value.errors] == [
        "track[1] (line 3): there is no tracker 'wandbb'.",
        "track[2] (line 3): there is no tracker 3.",
    ]
    assert found.value.errors[0].hint == "Did you mean 'wandb'?"


def test_one_word_and_a_list_are_the_same(tmp_path: Path) -> None:
    assert load_recipe(recipe(tmp_path, "mlflow")).track == ("mlflow",)
    assert load_recipe(recipe(tmp_path, "[mlflow, wandb, mlflow]")).track == ("mlflow", "wandb")
    assert load_recipe(recipe(tmp_path)).track == ()


def test_what_is_not_installed_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.run.trackers.find_spec", lambda name: None)
    with pytest.raises(UserError, match="track: trackio needs trackio, not installed here") as found:
        run(recipe(tmp_path, "trackio"), tmp_path / "ws")
    assert found.value.hint == "pip install trackio"
    assert not (tmp_path / "ws" / "datasets").exists()
