"""docs/names.md: every name a recipe can use, with its help; `python -m tests.names` writes it anew."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from tunesmith.core.registry import KINDS, Named, help_of, names
from tunesmith.recipe.parameters import options

PAGE = Path(__file__).parents[1] / "docs" / "names.md"
HEAD = """# Names a recipe can use

Written by `python -m tests.names` from the functions themselves; a test holds it to them.
"""


def page() -> str:
    """The page as it should stand."""
    return "\n".join([HEAD, *(line for kind in KINDS for line in _kind(kind))])


def _kind(kind: str) -> Iterator[str]:
    yield f"## {kind}\n"
    yield "| name | what it does | parameters |"
    yield "|---|---|---|"
    for name in names(kind):
        yield f"| `{name}` | {_cell(help_of(kind, name))} | {_parameters(kind, name)} |"
    yield ""


def _parameters(kind: str, name: str) -> str:
    found = options(Named(kind, name).load())
    hidden = {"base", "rows", "name"} if kind == "arm" else set()
    given = [f"`{_parameter(item)}`" for item in found.values() if item.name not in hidden]
    return _cell(", ".join(given)) or "none"


def _parameter(item: inspect.Parameter) -> str:
    return item.name if item.default is item.empty else f"{item.name} = {item.default!r}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
