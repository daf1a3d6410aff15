"""The report of a run: one plain dictionary that the terminal, report.json and the HTML page all read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from tunesmith.core.artifact import read_manifest
from tunesmith.core.hashing import unit_interval
from tunesmith.core.record import SIGNAL
from tunesmith.data.dataset import Dataset
from tunesmith.data.diversity import distinct_ngrams, dominant, entropy, shares
from tunesmith.data.edits.redact_pii import redact
from tunesmith.data.funnel import (
    NOTHING,
    Funnel,
    chain,
    funnel,
    histogram,
    manifests,
    own_funnel,
    steps_of,
)
from tunesmith.evaluate.asked import told
from tunesmith.evaluate.checklist import checklist
from tunesmith.recipe import DataList, Recipe
from tunesmith.run.bounds import rules_of
from tunesmith.run.checkpoints import readable_bytes
from tunesmith.run.context import Context
from tunesmith.run.evaluation import Evaluated
from tunesmith.run.evidence import evidence_of
from tunesmith.run.operators import operators
from tunesmith.run.samples import samples, shown
from tunesmith.run.story import tell

EXAMPLES = 12
DOMAIN = ("forgetting", "terminology")  # of what a training found: shown by the domain section


def make_report(
    context: Context,
    lists: Mapping[str, Dataset],
    checkpoints: Mapping[str, Path],
    evaluated: Evaluated | None,
    serving: str | None,
) -> dict[str, object]:
    """Everything the run came to, as report.json holds it."""
    recipe = context.recipe
    total = sum((_counted(recipe.data[name], dataset, lists) for name, dataset in lists.items()), NOTHING)
    report: dict[str, object] = {
        "run": recipe.name,
        "goal": recipe.goal,
        "records": total.as_json(),
        "lists": {name: _list(context, recipe.data[name], dataset) for name, dataset in lists.items()},
        "histograms": {name: _histograms(recipe.data[name], dataset) for name, dataset in lists.items()},
        "numbers": {},
        "gate": {},
        "training": {name: _training(folder) for name, folder in checkpoints.items()},
        "curves": {name: read_manifest(folder).facts.get("curve", []) for name, folder in checkpoints.items()},
        "domains": {name: told for name, folder in checkpoints.items() if (told := _domain(folder))},
        "rewarded": {name: found for name, folder in checkpoints.items() if (found := _rewarded(folder))},
        "preflight": dict(context.preflights),
        "waived": [{"check": check, "reason": reason} for check, reason in recipe.waive.items()],
        "warnings": [*context.notes, *_warned(checkpoints)],
        "seconds": dict(context.seconds),
        "artifacts": _artifacts(context, lists, checkpoints, evaluated),
        "changed": dict(recipe.changed),
    }
    if evaluated is not None:
        report |= _evaluation(recipe, evaluated, checkpoints)
    items = checklist(evidence_of(recipe, lists, checkpoints, evaluated, serving), recipe.waive)
    report["checklist"] = [
        {"list": item.list, "check": item.check, "item": item.title, "state": item.state, "why": item.why}
        for item in items
        if recipe.train or item.list == "data"  # a recipe that trains nothing has nothing to show for fine-tuning
    ]
    report["state"] = _state(recipe, evaluated, serving)
    report["story"] = tell(recipe, report, serving)
    return report


def _counted(data: DataList, dataset: Dataset, lists: Mapping[str, Dataset]) -> Funnel:
    """What a list adds to the run's counts: a list fed from another one adds only what it made itself."""
    return funnel(dataset) if data.feed is None else own_funnel(dataset, lists[data.feed.name])


def _state(recipe: Recipe, evaluated: Evaluated | None, serving: str | None) -> str:
    if serving is not None:
        return "passed"
    return "refused" if evaluated is not None and recipe.serve is not None and evaluated.verdicts else "done"


def _list(context: Context, data: DataList, dataset: Dataset) -> dict[str, object]:
    counts = funnel(dataset).as_json()
    diversity = _diversity(context, data, dataset)
    steps = manifests(dataset)
    first = steps[0]
    return counts | {
        "steps": steps_of(dataset),
        "parts": _parts(dataset),
        "sources": dict(cast(Mapping[str, int], first.facts.get("sources", {}))),
        "licenses": dict(first.licenses),
        "samples": samples(dataset, rules_of(data.steps), str(context.recipe.seed)),
        "fed_from": str(data.feed) if data.feed else None,
        "by": {name: _by(dataset, column) for name, column in _tables(data).items()},
        "diversity": diversity,
        "operators": operators(context.workspace, dataset),
        "passes": [
            {"pass": step.parameters.get("as"), "found": step.facts["found"]}
            for step in steps
            if step.facts.get("found")
        ],
    }


def _tables(data: DataList) -> dict[str, str]:
    """What the records of a list are counted by, and the column of it."""
    language = [f"{SIGNAL}{step.label}" for step in data.steps if step.function.name == "language"]
    return {"source": "source", "domain": "domain", "language": language[-1] if language else f"{SIGNAL}language"}


def _by(dataset: Dataset, column: str) -> dict[str, dict[str, int]]:
    return {name: {"in": share.came, "kept": share.kept} for name, share in shares(dataset, column).items()}


def _diversity(context: Context, data: DataList, dataset: Dataset) -> dict[str, object]:
    """How varied a list is; a note in the report where one source, domain or language is nearly all of it."""
    found: dict[str, object] = {"distinct_2": distinct_ngrams(dataset).share}
    wanted = {step.function.name for step in data.steps for bound in step.keep.values() if bound.allow}
    for name, column in _tables(data).items():
        counts = shares(dataset, column)
        found[f"{name}_entropy"] = entropy(counts)
        most = dominant(counts) if name not in wanted else None
        if most is not None:
            context.notes.append(f"{data.name}: {most[1]:.0%} of the kept records have the {name} {most[0]!r}.")
    return found


def _parts(dataset: Dataset) -> dict[str, int]:
    if "part" not in dataset.columns:
        return {}
    found = Counter(part for table in dataset.tables(["part"]) for part in table["part"].to_pylist() if part)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _histograms(data: DataList, dataset: Dataset) -> dict[str, object]:
    """The measured numbers of each bounded signal, before its bound, with the bound."""
    found: dict[str, object] = {}
    for rule in rules_of(data.steps):
        values = _values(dataset, rule.column)
        limits = {name: v for name, v in rule.bound.as_json().items() if isinstance(v, int | float)}
        if values is None or not limits:
            continue
        edges, counts = histogram(values)
        found[rule.column.removeprefix(SIGNAL)] = {"edges": edges, "counts": counts, "bounds": limits}
    return found


def _values(dataset: Dataset, column: str) -> np.ndarray | None:
    """All measured values of a column, of dropped rows too."""
    for link in chain(dataset):
        if column in {name for layer in link.layers for name in cast(list[str], read_manifest(layer).facts["columns"])}:
            parts = [link.read(shard, [column], kept=False)[column].drop_null() for shard in range(link.shards)]
            if any(part.type.__str__() in ("string", "bool") for part in parts):
                return None
            return np.concatenate([part.to_numpy().astype(float) for part in parts])
    return None


def _training(folder: Path) -> dict[str, object]:
    facts = read_manifest(folder).facts
    computed = cast(Mapping[str, Mapping[str, object]], facts.get("computed", {}))
    settings = [{"name": name, "value": item["value"], "why": item["why"]} for name, item in computed.items()]
    return {
        "kind": facts.get("trainer"),
        "settings": settings,
        "steps": facts.get("steps"),
        "epochs": facts.get("epochs"),
        "parameters": facts.get("parameters"),
        "adapter": _adapter(facts),
        "found": {name: fact for name, fact in _found(folder).items() if name not in (*DOMAIN, "rlhf")},
    }


def _found(folder: Path) -> Mapping[str, object]:
    """What a training found beside its curve."""
    return cast("Mapping[str, object]", read_manifest(folder).facts.get("found") or {})


def _domain(folder: Path) -> dict[str, object]:
    """What a training on a domain gained and forgot, and the terms that it learnt."""
    told = {name: fact for name, fact in _found(folder).items() if name in DOMAIN}
    if "terminology" in told:
        words = cast("Mapping[str, object]", told["terminology"])
        terms = cast("Sequence[Mapping[str, object]]", words["terms"])
        told["terminology"] = {**words, "terms": [{**term, "word": redact(str(term["word"]))} for term in terms]}
    return told


def _rewarded(folder: Path) -> dict[str, object]:
    """What learning from a reward found, the texts of its answers redacted; empty where there was none."""
    facts = dict(cast("Mapping[str, object]", _found(folder).get("rlhf") or {}))
    samples = cast("Sequence[Mapping[str, object]]", facts.get("samples", []))
    shown = [
        {name: redact(value) if isinstance(value, str) and name != "id" else value for name, value in one.items()}
        for one in samples
    ]
    return {**facts, "samples": shown} if facts else {}


def _adapter(facts: Mapping[str, object]) -> dict[str, object] | None:
    """What an adapter is and takes, beside its base; None where all weights were trained."""
    known = cast("Mapping[str, object] | None", facts.get("adapter_facts"))
    if known is None:
        return None
    sizes = {"size": readable_bytes(int(str(known["bytes"]))), "base": readable_bytes(int(str(known["base_bytes"])))}
    return {"kind": known["kind"], "trained": facts.get("trained"), **sizes}


def _warned(checkpoints: Mapping[str, Path]) -> list[str]:
    """What the trainings warned of."""
    warned = {name: read_manifest(folder).facts.get("warnings", []) for name, folder in checkpoints.items()}
    return [f"{name}: {warning}" for name, warnings in warned.items() for warning in cast("list[str]", warnings)]


def _artifacts(
    context: Context, lists: Mapping[str, Dataset], checkpoints: Mapping[str, Path], evaluated: Evaluated | None
) -> dict[str, str]:
    folders = {f"data.{name}": dataset.folder for name, dataset in lists.items()}
    folders |= {f"train.{name}": folder for name, folder in checkpoints.items()}
    folders |= {"gate": evaluated.folder} if evaluated else {}
    return {name: folder.relative_to(context.workspace).as_posix() for name, folder in folders.items()}


def _evaluation(recipe: Recipe, evaluated: Evaluated, checkpoints: Mapping[str, Path]) -> dict[str, object]:
    compared = evaluated.compared
    roles = {name: "trained" if name in checkpoints else "arm" for name in evaluated.answers}
    roles |= dict.fromkeys(evaluated.checkpoints, "candidate")
    return {
        "numbers": {name: number.as_json() for name, number in compared.numbers.items()},
        "numbers_by_group": {name: number.as_json() for name, number in compared.numbers_by_group.items()},
        "comparisons": [comparison.as_json() for comparison in compared.comparisons],
        "gate": {name: verdict.as_json() for name, verdict in evaluated.verdicts.items()},
        "arms": roles,
        "test_set": {"rows": len(evaluated.rows), "scored": evaluated.scored},
        "overlap": _overlap(evaluated),
        "asks": evaluated.asks,
        "examples": _examples(evaluated, str(recipe.seed)),
    }


def _overlap(evaluated: Evaluated) -> dict[str, object]:
    """How many scored rows overlap rows trained on, and some of them."""
    overlap = evaluated.overlap
    if overlap is None:
        return {}
    hit, rows = overlap.counts
    worst = sorted(range(rows), key=lambda place: (-overlap.overlaps[place], place))[: min(hit, EXAMPLES)]
    shown = [
        {
            "id": evaluated.rows[place]["id"],
            "prompt": redact(_prompt(evaluated.rows[place])),
            "overlap": overlap.overlaps[place],
            "row": overlap.found_in[place],
        }
        for place in worst
    ]
    return {"rows": rows, "contaminated": hit, "bound": str(overlap.bound), "examples": shown}


def _examples(evaluated: Evaluated, seed: str) -> list[dict[str, object]]:
    places = sorted(range(len(evaluated.rows)), key=lambda i: unit_interval([seed, str(evaluated.rows[i]["id"])]))
    return [
        {
            "id": evaluated.rows[place]["id"],
            "prompt": redact(_prompt(evaluated.rows[place])),
            "target": redact(evaluated.targets[place]) if evaluated.asks == "answers" else None,
            "answers": {name: redact(told(evaluated.asks, of[place])) for name, of in evaluated.answers.items()},
        }
        for place in places[:EXAMPLES]
    ]


def _prompt(row: Mapping[str, object]) -> str:
    """What a row asks; of a document its beginning, of a pair its answers too."""
    if not row.get("messages") or row.get("chosen"):
        return shown(row)
    messages = cast(Sequence[Mapping[str, str]], row["messages"])
    return next((item["content"] for item in reversed(messages) if item["role"] == "user"), "")
