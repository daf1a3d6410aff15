"""docs/sources.md: every source is on the page, and each step that it shows has no mistakes."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML
from tests.test_docs import blocks

from tunesmith.core.registry import Named, names
from tunesmith.recipe.lists import OF_SOURCES
from tunesmith.recipe.parameters import check_parameters
from tunesmith.recipe.yaml import At

PAGE = "docs/sources.md"


def test_every_source_is_shown_and_no_step_has_a_mistake(tmp_path: Path) -> None:
    shown = set()
    for block in blocks(PAGE, "yaml"):
        [step] = YAML(typ="safe").load(block)
        source = Named("source", step.pop("source"), str(tmp_path))
        (tmp_path / step.get("folder", "")).mkdir(parents=True, exist_ok=True)
        own = {name: At(value, PAGE, None) for name, value in step.items() if name not in OF_SOURCES}
        assert check_parameters(source, own, At(None, PAGE, None))[1] == [], source.name
        shown.add(source.name)
    assert shown == set(names("source"))
