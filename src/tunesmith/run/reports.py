"""Reading the reports of finished runs, and the lists that they name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.data.dataset import Dataset, open_dataset


def read_report(workspace: Path, run: str | None) -> dict[str, object]:
    """The report of a run by its name, or of the newest; raises UserError if there is none."""
    found = sorted((workspace / "runs").glob("*/report.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"{workspace} holds no finished run.", "Run a recipe first: tunesmith run RECIPE")
    names = {path.parent.name: path for path in found}
    if run is not None and run not in names:
        raise UserError(f"{workspace} holds no finished run {run!r}.", near(run, list(names)))
    path = names[run] if run else found[-1]
    report: dict[str, object] = json.loads(path.read_text("utf-8"))
    return report


def list_of(workspace: Path, report: Mapping[str, object], name: str) -> tuple[str, Dataset]:
    """A list of a run by its name, or the last one."""
    artifacts = cast(Mapping[str, str], report["artifacts"])
    lists = [key.removeprefix("data.") for key in artifacts if key.startswith("data.")]
    found = name or next(reversed(lists), "")
    if found not in lists:
        raise UserError(f"run {report['run']} has no list {found!r}.", near(found, lists))
    return found, open_dataset(workspace / artifacts[f"data.{found}"])


def named_list(workspace: Path, name: str) -> tuple[str, Dataset]:
    """The dataset that RUN[.LIST] names, with the name RUN-LIST."""
    run, _, listed = name.partition(".")
    report = read_report(workspace, run)
    found, dataset = list_of(workspace, report, listed)
    return f"{report['run']}-{found}", dataset
