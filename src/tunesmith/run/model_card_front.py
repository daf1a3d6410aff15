"""Where a checkpoint came from, and the YAML at the top of its card."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import Manifest, is_done, read_manifest
from tunesmith.costs.shapes import SCRATCH
from tunesmith.data.card import languages_in
from tunesmith.models.adapter_folder import BOTTLENECK
from tunesmith.recipe import Recipe
from tunesmith.run.model_card_numbers import Fields, Report, own_numbers

ADAPTER = "adapter_config.json"
HUB_LICENSE = re.compile(r"[a-z0-9.-]+")  # as a card names one: apache-2.0, llama3.2


@dataclass(frozen=True)
class Lineage:
    """A checkpoint and those it came from, the first one first."""

    folder: Path
    steps: Sequence[Manifest]

    @property
    def own(self) -> Manifest:
        """The manifest of the checkpoint itself."""
        return self.steps[-1]

    @property
    def base(self) -> Fields:
        """What is known of the model that the first step started from; nothing of random weights."""
        first = self.steps[0]
        named = {} if first.inputs["start"].startswith(SCRATCH) else {"name": first.parameters["start"]}
        return cast(Fields, first.facts.get("base", named))

    @property
    def license(self) -> str | None:
        """The licence of the base, as its card has it."""
        given = self.base.get("license")
        return None if given is None else str(given)

    @property
    def is_adapter(self) -> bool:
        """Whether the folder holds an adapter and not a whole model."""
        return (self.folder / ADAPTER).is_file()

    @property
    def library(self) -> str:
        """What loads the folder."""
        if not self.is_adapter:
            return "transformers"
        return "tunesmith" if self.own.facts.get("adapter") == BOTTLENECK else "peft"

    @property
    def lists(self) -> list[str]:
        """The lists trained on, each once."""
        return [ref.partition("/")[0] for ref in self.datasets]

    @property
    def datasets(self) -> list[str]:
        """The datasets trained on (NAME/KEY), those that were replayed too, each once."""
        refs = (one.inputs.get(name) for one in self.steps for name in ("data", "replay"))
        return list(dict.fromkeys(ref for ref in refs if ref is not None))

    @property
    def judges(self) -> bool:
        """Whether it is a reward model, which judges answers and writes none."""
        return self.own.facts["trainer"] == "reward"

    @property
    def task(self) -> str:
        """What a hub calls what it does."""
        return "text-classification" if self.judges else "text-generation"


def lineage_of(folder: Path) -> Iterator[Manifest]:
    """The manifests of a checkpoint and of those it came from, the first one first."""
    manifest = read_manifest(folder)
    start = folder.parent.parent / manifest.inputs["start"]
    if "/" in manifest.inputs["start"] and is_done(start):
        yield from lineage_of(start)
    yield manifest


def front_matter(name: str, of: Lineage, recipe: Recipe, report: Report) -> str:
    """The front matter as a hub reads it."""
    from ruamel.yaml import YAML

    on_hub = "revision" in of.base
    license_ = of.license or "unknown"
    trainers = dict.fromkeys(str(one.facts["trainer"]) for one in of.steps)
    matter: dict[str, object] = {
        "license": license_ if HUB_LICENSE.fullmatch(license_) else "other",
        "license_name": None if HUB_LICENSE.fullmatch(license_) else license_,
        "base_model": of.base["name"] if on_hub else None,
        "base_model_relation": ("adapter" if of.is_adapter else "finetune") if on_hub else None,
        "library_name": of.library,
        "pipeline_tag": of.task,
        "language": languages_in(languages_of(of, report)),
        "datasets": _hub_datasets(of.lists, recipe),
        "tags": ["tunesmith", *trainers, recipe.goal],
        "model-index": _model_index(name, of, report),
    }
    out = io.StringIO()
    writer = YAML()
    writer.dump({key: value for key, value in matter.items() if value}, out)
    return out.getvalue()


def languages_of(of: Lineage, report: Report) -> Counter[str]:
    """The rows trained on by their language; nothing where none was identified."""
    found: Counter[str] = Counter()
    for name in of.lists:
        by = cast(
            Mapping[str, Mapping[str, int]], cast(Fields, list_of(report, name).get("by", {})).get("language", {})
        )
        found.update({language: counts["kept"] for language, counts in by.items()})
    return found


def _hub_datasets(lists: Sequence[str], recipe: Recipe) -> list[str]:
    """The datasets on a hub that the lists, and those they are fed from, were read from."""
    found: list[str] = []
    for name in lists:
        data = recipe.data[name]
        steps = [step for step in data.steps if step.kind == "source" and step.parameters.get("dataset")]
        found += [str(step.parameters["dataset"]) for step in steps]
        found += _hub_datasets([data.feed.name], recipe) if data.feed else []
    return list(dict.fromkeys(found))


def _model_index(name: str, of: Lineage, report: Report) -> list[dict[str, object]]:
    numbers = {metric: number.value for metric, number in own_numbers(name, report).items() if "@" not in metric}
    measured = {metric: float(value) for metric, value in numbers.items() if value is not None}
    if not measured:
        return []
    gate = _gate(of, report)
    dataset = {"name": str(gate.parameters["on"]), "type": gate.inputs["rows"].partition("/")[0]}
    metrics = [{"type": metric, "name": metric, "value": value} for metric, value in measured.items()]
    results = [{"task": {"type": of.task}, "dataset": dataset, "metrics": metrics}]
    return [{"name": name, "results": results}]


def _gate(of: Lineage, report: Report) -> Manifest:
    """The manifest of the evaluation."""
    workspace = of.folder.parent.parent.parent
    return read_manifest(workspace / cast(Mapping[str, str], report["artifacts"])["gate"])


def list_of(report: Report, name: str) -> Fields:
    """What a report says of a list."""
    return cast(Mapping[str, Fields], report["lists"])[name]
