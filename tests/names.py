"""docs/names.md: every name a recipe can use, with its help; `python -m tests.names` writes it anew."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from tunesmith.core.registry import KINDS, Named, help_of, names
from tunesmith.recipe.parameters import options
from tunesmith.recipe.presets import bounds_of, preset_names, read_preset

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PRESETS = DOCS / "names.md", DOCS / "presets.md"
HEAD = """# Names a recipe can use

Written by `python -m tests.names` from the functions themselves; a test holds it to them.
"""


def page() -> str:
    """The page as it should stand."""
    return "\n".join([HEAD, *(line for kind in KINDS for line in _kind(kind))])


PRESETS_HEAD = """# Presets: published rules as signals with bounds

Written by `python -m tests.names` from the presets themselves; a test holds it to them. `- preset: NAME` in a recipe
stands for these signals, each under the name PRESET_SIGNAL. What a recipe says replaces a bound:

```yaml
- preset: gopher
  keep: {word_tokens: {min: 20}, repetition: {top_2_gram: {max: 0.25}}}
  without: [stop_words]              # signals that are not wanted
  parameters: {}                     # of a signal, by its name
```

A file of one's own in the same form, `- preset: ./house.yaml`, works alike.
"""


def presets() -> str:
    """The page of presets as it should stand."""
    return "\n".join([PRESETS_HEAD, *(line for name in preset_names() for line in _preset(name))])


def _preset(name: str) -> Iterator[str]:
    fields = read_preset(name)
    yield f"## {name}\n\n{fields['help']} For {fields['records']}.\n"
    yield "| measured | kept | source of the bound |"
    yield "|---|---|---|"
    for measured, bound, why in bounds_of(name):
        yield f"| {measured} | {bound} | {_cell(why)} |"
    yield ""


def _kind(kind: str) -> Iterator[str]:
    yield f"## {kind}\n"
    yield "| name | what it does | parameters |"
    yield "|---|---|---|"
    for name in names(kind):
        yield f"| `{name}` | {_cell(help_of(kind, name))} | {_parameters(kind, name)} |"
    yield ""


def _parameters(kind: str, name: str) -> str:
    found = options(Named(kind, name).load())
    hidden = (
        {"base", "rows", "name"}
        if kind == "arm"
        else {"model"}
        if hasattr(Named(kind, name).module(), "fit")
        else set()
    )
    given = [f"`{_parameter(item)}`" for item in found.values() if item.name not in hidden]
    return _cell(", ".join(given)) or "none"


def _parameter(item: inspect.Parameter) -> str:
    return item.name if item.default is item.empty else f"{item.name} = {item.default!r}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    PRESETS.write_text(presets(), "utf-8")
