"""Serving what the gate passed, and the lineage of what it answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tunesmith.core.artifact import is_done, read_manifest
from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.data.dataset import Dataset, open_dataset
from tunesmith.data.funnel import manifests
from tunesmith.models.rows import answer_of, chat_of, prompt_of
from tunesmith.models.template import folder_template_hash
from tunesmith.run.context import ref_of
from tunesmith.run.evaluation import verdict_of

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tunesmith.serve.nearest import Row
    from tunesmith.serve.why import CheckpointFacts
    from tunesmith.store import Store


LICENSES = 3  # told by name in the story of an answer


@dataclass(frozen=True)
class Serving:
    """A checkpoint to serve, under its name, with the run that made it."""

    name: str
    checkpoint: Path
    run: str


def find_serving(workspace: Path, report: Mapping[str, object], model: str | None) -> Serving:
    """The checkpoint of a run that may be served; raises UserError with the gate's reason for one that may not."""
    artifacts = cast(Mapping[str, str], report["artifacts"])
    trained = {name.removeprefix("train."): path for name, path in artifacts.items() if name.startswith("train.")}
    gate = cast(Mapping[str, Mapping[str, object]], report["gate"])
    passed = [name for name, verdict in gate.items() if verdict["state"] == "passed"]
    name = model or next(iter(passed), None)
    if name is None:
        raise UserError(
            f"run {report['run']}: no candidate passed the gate, so nothing is served.", "See why: tunesmith show"
        )
    if name not in trained:
        raise UserError(f"run {report['run']} has no checkpoint {name!r}.", near(name, list(trained)))
    folder = workspace / trained[name]
    state = verdict_of(workspace / artifacts["gate"], folder) if "gate" in artifacts else None
    if state != "passed":
        why = "no gate has seen it" if state is None else f"its gate says {state}"
        raise UserError(f"{name} is not served: {why}.", "Evaluate it with a gate that it passes.")
    check_answers(folder)
    return Serving(name, folder, str(report["run"]))


def check_answers(checkpoint: Path) -> None:
    """Raise UserError for a checkpoint that cannot be asked in chats: a reward model, or one without a template."""
    facts = read_manifest(checkpoint).facts
    if facts.get("trainer") == "reward":
        raise UserError(
            f"{ref_of(checkpoint)} is not served: a reward model judges answers and writes none.",
            "Name it as reward: of an rlhf step.",
        )
    if folder_template_hash(checkpoint) is None:
        raise UserError(
            f"{ref_of(checkpoint)} is not served: it has no chat template, so nobody can ask it.",
            "Tune it on chats first (sft), from a base that has a template.",
        )


def app_of(serving: Serving, store: Store | None) -> FastAPI:
    """The OpenAI-compatible app around one checkpoint."""
    from tunesmith.models.local import LocalModel
    from tunesmith.serve.app import create_app
    from tunesmith.serve.served import served_local

    served = served_local(
        LocalModel(serving.checkpoint, name=serving.name), key=read_manifest(serving.checkpoint).key, run=serving.run
    )
    return create_app({serving.name: served}, store=store)


def checkpoint_by_key(workspace: Path, key: str) -> Path | None:
    """The folder of a checkpoint by its KEY."""
    return next((path for path in (workspace / "checkpoints").glob(f"*/{key}") if is_done(path)), None)


def describe_checkpoint(workspace: Path, key: str, run: str = "") -> CheckpointFacts | None:
    """What a checkpoint was made from, for the story of an answer."""
    from tunesmith.serve.why import CheckpointFacts, DataFacts

    folder = checkpoint_by_key(workspace, key)
    if folder is None:
        return None
    manifest = read_manifest(folder)
    data = [
        DataFacts(dataset.folder.parent.name, dataset.folder.name, dataset.count(part="train"), _licenses(dataset))
        for dataset in trained_on(workspace, folder)
    ]
    adapter = cast("str | None", manifest.facts.get("adapter"))
    start = manifest.inputs["start"]
    return CheckpointFacts(manifest.name, manifest.key, run, manifest.step, start, tuple(data), adapter)


def _licenses(dataset: Dataset) -> dict[str, int]:
    ordered = sorted(manifests(dataset)[0].licenses.items(), key=lambda item: -item[1])
    others = sum(count for _, count in ordered[LICENSES:])
    return dict(ordered[:LICENSES]) | ({"others": others} if others else {})


def trained_on(workspace: Path, checkpoint: Path) -> Iterator[Dataset]:
    """The datasets behind a checkpoint: its own, then those of the checkpoints it started from."""
    here: Path | None = checkpoint
    while here is not None:
        manifest = read_manifest(here)
        for name in ("data", "replay"):
            if name in manifest.inputs:
                yield open_dataset(workspace / "datasets" / manifest.inputs[name])
        start = workspace / "checkpoints" / manifest.inputs.get("start", "")
        here = start if is_done(start) else None


def training_rows(workspace: Path, key: str) -> Iterable[Row]:
    """The rows that a checkpoint and those before it were trained on."""
    from tunesmith.serve.nearest import Row

    folder = checkpoint_by_key(workspace, key)
    for dataset in trained_on(workspace, folder) if folder else ():
        columns = [name for name in ("id", "messages", "target") if name in dataset.columns]
        for table in dataset.tables(columns, part="train"):
            for row in table.to_pylist():
                if row.get("messages"):  # documents ask nothing
                    yield Row(str(row["id"]), prompt_of(chat_of(row)), answer_of(row))


def seen_by(workspace: Path, datasets: Sequence[str]) -> list[str]:
    """The checkpoints that were trained on one of these datasets (NAME/KEY), or that started from one that was."""
    found = []
    for path in sorted((workspace / "checkpoints").glob("*/*/manifest.json")):
        behind = {ref_of(layer) for dataset in trained_on(workspace, path.parent) for layer in dataset.layers}
        if behind & set(datasets):
            found.append(ref_of(path.parent))
    return found
