"""The data checklist before a run, or as the last run left it: what `tunesmith check` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from tunesmith.evaluate.checklist import checklist
from tunesmith.recipe import Recipe
from tunesmith.run.evidence import planned

BY_RUNNING = ("sources", "sample_reviewed", "versioned", "documented", "re_evaluated")  # only a run can show these


def data_checklist(recipe: Recipe, workspace: Path) -> Iterator[str]:
    """One line an item: its state, and why; from the last run of this recipe, else from what the recipe says."""
    path = workspace / "runs" / recipe.name / "report.json"
    if path.is_file():
        yield f"Data checklist, as the last run of {recipe.name} left it:"
        items = cast("list[Mapping[str, str]]", json.loads(path.read_text("utf-8"))["checklist"])
        yield from (_line(item["state"], item["item"], item["why"]) for item in items if item["list"] == "data")
        return
    yield "Data checklist, as far as the recipe tells before it is run:"
    for item in checklist(planned(recipe), recipe.waive):
        if item.list == "data":
            open_ = item.check in BY_RUNNING and item.state != "waived"
            yield (
                _line("open", item.title, "told by the run")
                if open_
                else _line(_planned(item.state), item.title, item.why)
            )


def _planned(state: str) -> str:
    return {"done": "planned", "failed": "missing"}.get(state, state)


def _line(state: str, title: str, why: str) -> str:
    return f"  {state:<9} {title}: {why.replace(': 0 rows', '')}"
