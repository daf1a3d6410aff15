"""What a training starts from: a folder, or a model in the hub's cache. Fetching from a hub itself is not tested."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.running import Heard, report_of, run, write_recipe, write_rows
from tests.train.train_toys import job_at, scratch_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import Mistakes, UserError
from tunesmith.core.executor import LocalExecutor
from tunesmith.recipe import load_recipe
from tunesmith.run import Outcome
from tunesmith.run.bases import find_base
from tunesmith.run.context import Context

FIRST, SECOND = "1" * 40, "2" * 40
CARD = "---\nlicense: apache-2.0\n---\n\n# A tiny model\n"
RECIPE = """\
name: based
base: BASE
data:
  rows:
    - {source: jsonl, path: rows.jsonl}
    - pass: split
      parts: {train: 0.5, test: 0.5}
waive:
  - {check: examples_least, reason: the test has few rows}
  - {check: duplicates, reason: the test repeats rows}
  - {check: validation_set, reason: the test keeps none}
train:
  - {sft: model, steps: 2, batch_size: 4, learning_rate: 0.001}
evaluate:
  on: rows.test
  metrics: [exact_match]
  candidates: [model]
  against: [base]
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights."""
    pytest.importorskip("torch")
    from tunesmith.train.folder import write_start
    from tunesmith.train.job import Scratch

    folder = tmp_path_factory.mktemp("tiny_model")
    write_start(job_at(folder, Scratch("0.1M", {"vocabulary": 300}), scratch_rows()))
    return folder / "out"


@pytest.fixture
def cache(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache that holds org/tiny, in the hub's own layout."""
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub" / "models--org--tiny"
    put(repository, tiny, FIRST)
    return repository


def put(repository: Path, model: Path, commit: str, branch: str = "main") -> Path:
    """A commit of a repository, fetched, with a branch that stands at it."""
    folder = repository / "snapshots" / commit
    shutil.copytree(model, folder)
    (folder / "README.md").write_text(CARD, "utf-8")
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / branch).write_text(commit, "utf-8")
    return folder


def context_of(folder: Path, base: str) -> Context:
    write_rows(folder / "rows.jsonl", scratch_rows())
    recipe = load_recipe(write_recipe(folder, RECIPE.replace("BASE", base)))
    return Context(recipe, folder / "ws", LocalExecutor(1), Heard())


def run_from(folder: Path, base: str) -> Outcome:
    write_rows(folder / "rows.jsonl", scratch_rows())
    return run(write_recipe(folder, RECIPE.replace("BASE", base)), folder / "ws")


def test_a_run_starts_from_a_model_of_the_hub_and_is_compared_with_it(cache: Path, tmp_path: Path) -> None:
    outcome = run_from(tmp_path, "org/tiny")
    (checkpoint,) = (tmp_path / "ws" / "checkpoints" / "model").iterdir()
    manifest = read_manifest(checkpoint)
    assert manifest.inputs["start"] == f"org/tiny@{FIRST}"
    assert manifest.facts["base"] == {"name": "org/tiny", "revision": FIRST, "license": "apache-2.0"}
    assert set(outcome.report["arms"]) == {"model", "base"}  # type: ignore[call-overload]  # a plain dictionary
    assert report_of(tmp_path / "ws", "based")["state"] == "done"


def test_the_commit_stays_what_it_was_when_it_was_first_fetched(cache: Path, tiny: Path, tmp_path: Path) -> None:
    context = context_of(tmp_path, "org/tiny")
    before = find_base(context, "org/tiny", "train[0]")
    put(cache, tiny, SECOND)
    assert find_base(context, "org/tiny", "train[0]") == before
    assert find_base(context_of(tmp_path / "new", "org/tiny"), "org/tiny", "train[0]").key == f"org/tiny@{SECOND}"


def test_a_revision_may_be_named(cache: Path, tiny: Path, tmp_path: Path) -> None:
    put(cache, tiny, SECOND, branch="v2")
    for revision, commit in (("v2", SECOND), (FIRST, FIRST)):
        start = f"org/tiny@{revision}"
        assert find_base(context_of(tmp_path, start), start, "train[0]").key == f"org/tiny@{commit}"


def test_a_folder_here_goes_before_the_hub(cache: Path, tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "org" / "tiny")
    base = find_base(context_of(tmp_path, "org/tiny"), "org/tiny", "train[0]")
    assert base.folder == tmp_path / "org" / "tiny"
    assert base.facts == {"name": "org/tiny", "license": None}


def test_what_was_not_fetched_is_a_mistake_before_any_work(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'org/other' is no model folder here and cannot be fetched"):
        run_from(tmp_path, "org/other")
    assert not (tmp_path / "ws" / "datasets").exists()


def spoil_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def spoil_parts(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    weights = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))


def spoil_kind(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": {"AutoConfig": "a.B"}}))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (spoil_weights, r"has no \.safetensors weights"),
        (spoil_parts, "lacks model-00002-of-00002.safetensors"),
        (spoil_kind, "needs code of its own"),
    ],
    ids=["weights that may hold code", "a part is missing", "code of its own"],
)
def test_a_model_that_cannot_be_loaded_safely_is_refused(
    cache: Path, tmp_path: Path, spoil: object, problem: str
) -> None:
    assert callable(spoil)
    spoil(cache / "snapshots" / FIRST)
    context = context_of(tmp_path, "org/tiny")
    with pytest.raises(UserError, match=problem):
        find_base(context, "org/tiny", "train[0]")
    assert not (tmp_path / "ws" / "cache" / "pins").exists()  # what was refused is not pinned


@pytest.mark.parametrize("base", ["../nowhere", "./org/tiny", "a/b/c", "scratch:9Q", "org/tiny@"])
def test_what_is_no_id_has_to_be_a_folder(base: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", scratch_rows())
    with pytest.raises(Mistakes):
        load_recipe(write_recipe(tmp_path, RECIPE.replace("BASE", base)))
