"""Which operator of a list takes how much of its time; kept apart from the data, whose bytes know no time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tunesmith.core.artifact import write_json
from tunesmith.data.dataset import Dataset
from tunesmith.data.funnel import chain


def keep_seconds(workspace: Path, key: str, seconds: Mapping[str, float]) -> None:
    """Add the seconds that the operators of a stretch took, all workers together."""
    whole = Counter(seconds_of(workspace, key))
    whole.update(seconds)
    write_json(_path(workspace, key), {name: round(spent, 3) for name, spent in whole.items()})


def seconds_of(workspace: Path, key: str) -> dict[str, float]:
    """The seconds by operator of one stretch; none if its time was not kept."""
    path = _path(workspace, key)
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def operators(workspace: Path, dataset: Dataset) -> dict[str, float]:
    """The seconds by operator of all stretches of a list, the slowest first."""
    whole: Counter[str] = Counter()
    for link in chain(dataset):
        whole.update(seconds_of(workspace, link.layers[0].name))
    return dict(sorted(whole.items(), key=lambda item: -item[1]))


def _path(workspace: Path, key: str) -> Path:
    return workspace / "cache" / "operators" / f"{key}.json"
