"""The evaluate section, run: answers of every model, scores, paired comparisons and the gate's verdicts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import read_manifest, write_json
from tunesmith.data.dataset import Dataset
from tunesmith.evaluate.asked import Asks, ask
from tunesmith.evaluate.compare import Compared, compare
from tunesmith.evaluate.gate import Verdict, decide
from tunesmith.evaluate.score import Scores, lower_is_better, score
from tunesmith.models.base import Sampling
from tunesmith.models.rows import target_of
from tunesmith.recipe import Evaluation
from tunesmith.recipe.grammar import Metric
from tunesmith.run.contenders import Contender, contenders
from tunesmith.run.context import Context, Made, Plan, make, ref_of
from tunesmith.run.overlap import CLEAN, TrainOverlap, train_overlap
from tunesmith.run.scored_rows import scored_rows
from tunesmith.run.signals import measure_answers

VERSION = 1
Row = dict[str, object]


@dataclass(frozen=True)
class Evaluated:
    """What the report needs of an evaluation."""

    folder: Path
    compared: Compared
    verdicts: Mapping[str, Verdict]
    answers: Mapping[str, Sequence[str]]
    rows: Sequence[Row]
    targets: Sequence[str]
    checkpoints: Mapping[str, Path]
    scored: int | None = None  # how often a gate has scored this test set, this time included
    overlap: TrainOverlap | None = None  # of the rows with those trained on
    asks: Asks = "answers"  # what the metrics asked models for


def run_evaluation(
    context: Context, evaluation: Evaluation, lists: Mapping[str, Dataset], checkpoints: Mapping[str, Path]
) -> Evaluated:
    """Answer the test rows with every candidate and arm, score, compare, and put the candidates before the gate."""
    dataset = lists[evaluation.on.name]
    rows = scored_rows(context, evaluation, dataset)
    everyone = contenders(context, evaluation, lists, checkpoints)
    answers = {one.name: _answers(context, one, rows, evaluation, dataset) for one in everyone}
    targets = [target_of(row) if evaluation.asks == "answers" else "" for row in rows]
    overlap = train_overlap(context, rows, dataset, lists)
    with context.timed("score"):
        scores = {name: _scores(evaluation.metrics, given, rows, targets) for name, given in answers.items()}
        compared = _compare(context, evaluation, scores, rows, overlap)
    verdicts = {
        name: decide(
            name,
            evaluation.gate,
            numbers=compared.numbers,
            comparisons=compared.comparisons,
            lower_is_better=frozenset(m.label for m in evaluation.metrics if lower_is_better(m.function)),
        )
        for name in evaluation.candidates
        if evaluation.gate
    }
    folder = _write_verdict(context, evaluation, dataset, everyone, compared, verdicts)
    candidates = {name: checkpoints[name] for name in evaluation.candidates}
    scored = _count_score(context, dataset, evaluation, folder) if verdicts else None
    return Evaluated(folder, compared, verdicts, answers, rows, targets, candidates, scored, overlap, evaluation.asks)


def _count_score(context: Context, dataset: Dataset, evaluation: Evaluation, verdict: Path) -> int | None:
    """Count that a gate scored this test set: the more often, the less a verdict means."""
    try:
        from tunesmith.store import count_gate_score, open_store
    except ImportError:
        context.notes.append("How often the test set was scored is not counted: pip install 'tunesmith[evaluate]'.")
        return None
    test_set = f"{ref_of(dataset.folder)}.{evaluation.on.part or ''}"
    with open_store(context.workspace / "state.db") as store:
        return count_gate_score(store, test_set, by=verdict.name, time=time.time())


def _answers(
    context: Context, one: Contender, rows: Sequence[Row], evaluation: Evaluation, dataset: Dataset
) -> list[str]:
    """What one contender gives for the rows: an artifact, so that a rerun does not ask again."""
    parameters: dict[str, object] = {"on": str(evaluation.on), "sample": evaluation.sample, "model": one.key}
    if evaluation.asks != "answers":
        parameters["asks"] = evaluation.asks
    inputs = {"model": one.key, "rows": ref_of(dataset.folder)}
    plan = Plan("report", f"answers-{one.name}", "answers", VERSION, parameters, inputs, context.recipe.seed)

    def work(out: Path) -> Made:
        def progress(done: int, total: int) -> None:
            context.show.progress(f"answer {one.name}", done, total, {})

        sampling = Sampling(seed=context.recipe.seed)
        given = ask(evaluation.asks, one.load(), rows, sampling=sampling, progress=progress)
        lines = [{"id": row["id"], **item} for row, item in zip(rows, given, strict=True)]
        write_json(out / "answers.json", {"answers": lines})
        return Made({"answers": len(lines)})

    with context.timed(f"answer {one.name}"):
        folder = make(context, plan, work)
    stored = json.loads((folder / "answers.json").read_text("utf-8"))["answers"]
    return [str(item["text"]) for item in stored]


def _scores(
    metrics: Sequence[Metric], answers: Sequence[str], rows: Sequence[Row], targets: Sequence[str]
) -> dict[str, Scores]:
    return {metric.label: _score(metric, answers, rows, targets) for metric in metrics}


def _score(metric: Metric, answers: Sequence[str], rows: Sequence[Row], targets: Sequence[str]) -> Scores:
    if metric.function.kind == "signal":
        return measure_answers(metric.function, metric.parameters, answers)
    if metric.target is not None:
        targets = [cast(str, metric.target.load()(target)) for target in targets]
    return score(metric.function, metric.parameters, answers, rows, targets)


def _compare(
    context: Context,
    evaluation: Evaluation,
    scores: Mapping[str, Mapping[str, Scores]],
    rows: Sequence[Row],
    overlap: TrainOverlap | None,
) -> Compared:
    groups = [row.get(evaluation.cluster) or row["id"] for row in rows] if evaluation.cluster else None
    slices = {
        name: [all(bound.fault(row.get(column)) is None for column, bound in bounds.items()) for row in rows]  # type: ignore[arg-type]  # a measured value
        for name, bounds in evaluation.slices.items()
    }
    if overlap is not None and overlap.counts[0]:
        slices = {CLEAN: overlap.clean, **slices}  # a slice of that name in the recipe is the user's own
    return compare(
        scores,
        candidates=evaluation.candidates,
        against=[name for name in scores if name not in evaluation.candidates],
        groups=groups,
        slices=slices,
        seed=context.recipe.seed,
    )


def _write_verdict(
    context: Context,
    evaluation: Evaluation,
    dataset: Dataset,
    everyone: Sequence[Contender],
    compared: Compared,
    verdicts: Mapping[str, Verdict],
) -> Path:
    """The gate's verdict as an artifact: it names checkpoints, test set and bounds, and `serve` looks it up."""
    parameters = {
        "gate": evaluation.gate,
        "metrics": [describe_metric(m) for m in evaluation.metrics],
        "targets": {m.label: [m.target.name, m.target.fingerprint()] for m in evaluation.metrics if m.target},
        "on": str(evaluation.on),
        "sample": evaluation.sample,
        "cluster": evaluation.cluster,
        "slices": {name: {c: b.as_json() for c, b in bounds.items()} for name, bounds in evaluation.slices.items()},
        "candidates": {one.name: one.key for one in everyone},
    }
    inputs = {"rows": ref_of(dataset.folder), **{one.name: one.key for one in everyone}}
    plan = Plan("report", "gate", "gate", VERSION, parameters, inputs, context.recipe.seed)

    def work(out: Path) -> Made:
        gate = {name: verdict.as_json() for name, verdict in verdicts.items()}
        numbers = {name: number.as_json() for name, number in compared.numbers.items()}
        write_json(out / "verdict.json", {"gate": gate, "numbers": numbers, "test_set": ref_of(dataset.folder)})
        passed = {one.key: verdicts[one.name].state for one in everyone if one.name in verdicts}
        return Made({}, {}, {"checkpoints": passed})

    return make(context, plan, work)


def describe_metric(metric: Metric) -> list[object]:
    """What a KEY must know of a metric."""
    function = metric.function
    version = getattr(function.module(), "VERSION", 1)
    return [metric.label, function.name, version, function.fingerprint(), metric.parameters]


def verdict_of(gate: Path, checkpoint: Path) -> str | None:
    """The state of a checkpoint in a gate's verdict; None if that gate has not seen it."""
    states = cast(dict[str, str], read_manifest(gate).facts.get("checkpoints", {}))
    return states.get(ref_of(checkpoint))
