"""What a run can show for the checklists, gathered from its artifacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import Manifest, read_manifest
from tunesmith.core.registry import names
from tunesmith.data.dataset import Dataset
from tunesmith.data.funnel import manifests
from tunesmith.evaluate.evidence import Evidence
from tunesmith.recipe import Recipe
from tunesmith.recipe.grammar import Feed
from tunesmith.run.context import ref_of
from tunesmith.run.evaluation import Evaluated


def evidence_of(
    recipe: Recipe,
    lists: Mapping[str, Dataset],
    checkpoints: Mapping[str, Path],
    evaluated: Evaluated | None,
    serving: str | None,
) -> Evidence:
    """The evidence of one run."""
    trained = {step.name: read_manifest(checkpoints[step.name]).facts for step in recipe.train}
    supervised = [facts for facts in trained.values() if facts.get("trainer") == "sft"]
    rows = {name: _trained_rows(lists[name]) for step in recipe.train for name in step.lists}
    read = [name for name in lists if recipe.data[name].feed is None and name not in references(recipe)]
    return Evidence(
        sources={name: cast(Mapping[str, int], manifests(lists[name])[0].facts.get("sources", {})) for name in read},
        steps={name: _steps(recipe, name, dataset) for name, dataset in lists.items()},
        available=_available(),
        bounds=_bounds(recipe),
        licenses=_sum(manifests(lists[name])[0].licenses for name in read),
        domains=_sum(_tally(lists[name], "domain") for name in rows),
        parts=_sum(_parts(dataset) for name, dataset in lists.items() if not recipe.data[name].feed),
        datasets={name: ref_of(dataset.folder) for name, dataset in lists.items()},
        conversations=sum(rows.values()) if all("messages" in lists[name].columns for name in rows) else 0,
        trained_rows=sum(rows.values()) if rows else None,
        reviewed=_reviewed(lists),
        scratch=recipe.train[0].start.startswith("scratch:") if recipe.train else None,
        epochs=max((cast(float, facts["epochs"]) for facts in supervised), default=None),
        validation_losses=_validation_losses(supervised),
        metrics=[metric.label for metric in recipe.evaluate.metrics] if recipe.evaluate else [],
        test_rows=len(evaluated.rows) if evaluated else 0,
        compared_with_start=_compared_with_start(recipe, evaluated),
        gates={name: verdict.state for name, verdict in evaluated.verdicts.items()} if evaluated else {},
        served=serving,
        overlap=evaluated.overlap.counts if evaluated and evaluated.overlap else None,
        earlier_data=_earlier_data(recipe, lists),
    )


def planned(recipe: Recipe) -> Evidence:
    """What a recipe says that it will do, before anything has run."""
    read = [name for name, data in recipe.data.items() if data.feed is None and name not in references(recipe)]
    sources = {name: [step for step in recipe.data[name].steps if step.kind == "source"] for name in read}
    return Evidence(
        sources={name: {step.label: 1 for step in steps} for name, steps in sources.items()},
        steps={name: {step.function.name: 0 for step in data.steps} for name, data in recipe.data.items()},
        available=_available(),
        bounds=_bounds(recipe),
        licenses=dict(Counter(step.license or "unknown" for steps in sources.values() for step in steps)),
        domains=dict(Counter(step.domain for steps in sources.values() for step in steps if step.domain)),
    )


def references(recipe: Recipe) -> set[str]:
    """The lists that others are only compared with, such as benchmarks: they are neither cleaned nor trained on."""
    compared = {
        value.name
        for data in recipe.data.values()
        for step in data.steps
        for value in step.parameters.values()
        if isinstance(value, Feed)
    }
    used = {name for step in recipe.train for name in step.lists} | {
        data.feed.name for data in recipe.data.values() if data.feed
    }
    return compared - used - ({recipe.evaluate.on.name} if recipe.evaluate else set())


def _available() -> frozenset[str]:
    return frozenset(name for kind in ("signal", "edit", "pass", "make") for name in names(kind))


def _bounds(recipe: Recipe) -> int:
    return sum(len(step.keep) for data in recipe.data.values() for step in data.steps if step.kind == "signal")


def _earlier_data(recipe: Recipe, lists: Mapping[str, Dataset]) -> int | None:
    """How many other versions of the rows that are scored a gate of this workspace has seen."""
    if recipe.evaluate is None:
        return None
    folder = lists[recipe.evaluate.on.name].folder
    verdicts = (folder.parents[2] / "reports" / "gate").glob("*/manifest.json")
    seen = {read_manifest(path.parent).inputs["rows"] for path in verdicts}
    return len({ref for ref in seen if ref.partition("/")[0] == folder.parent.name} - {ref_of(folder)}) or None


def _steps(recipe: Recipe, name: str, dataset: Dataset) -> dict[str, int]:
    """Each data step of a list with the rows it dropped."""
    dropped: Counter[str] = Counter()
    for manifest in manifests(dataset):
        for reason, count in cast(Mapping[str, int], manifest.counts.get("dropped", {})).items():
            dropped[reason.partition(":")[0]] += count
    return {step.function.name: dropped[step.label] for step in recipe.data[name].steps if step.kind != "source"}


def _sum(tallies: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(tally)
    return dict(total)


def _tally(dataset: Dataset, column: str) -> dict[str, int]:
    if column not in dataset.columns:
        return {}
    return dict(Counter(str(v) for t in dataset.tables([column]) for v in t[column].to_pylist() if v is not None))


def _parts(dataset: Dataset) -> dict[str, int]:
    return _tally(dataset, "part")


def _trained_rows(dataset: Dataset) -> int:
    return dataset.count(part="train") if "part" in dataset.columns else 0


def _reviewed(lists: Mapping[str, Dataset]) -> int | None:
    rounds: list[Manifest] = []
    for dataset in lists.values():
        root = dataset.folder.parents[2] / "reviews"
        refs = {manifest.inputs["review"] for manifest in manifests(dataset) if "review" in manifest.inputs}
        rounds += [read_manifest(root / ref) for ref in sorted(refs)]
    return sum(cast(int, manifest.facts["records"]) for manifest in rounds) if rounds else 0


def _validation_losses(supervised: list[Mapping[str, object]]) -> list[float]:
    curve = cast("list[Mapping[str, float]]", supervised[-1].get("curve", [])) if supervised else []
    return [entry["validation_loss"] for entry in curve if entry.get("validation_loss") is not None]


def _compared_with_start(recipe: Recipe, evaluated: Evaluated | None) -> bool | None:
    if evaluated is None:
        return None
    starts = {
        step.start for step in recipe.train if step.name in evaluated.verdicts or step.name in evaluated.checkpoints
    }
    return any(start in evaluated.answers or "untrained" in evaluated.answers for start in starts)
