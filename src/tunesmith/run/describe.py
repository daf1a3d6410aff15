"""What a KEY must know of a data step."""

from __future__ import annotations

from tunesmith.core.registry import Named
from tunesmith.recipe import Step
from tunesmith.recipe.grammar import Feed
from tunesmith.recipe.parameters import options, takes_function


def describe(step: Step) -> dict[str, object]:
    """What a KEY must know of a step: its function, version and parameters; not its bounds."""
    module_version = getattr(step.function.module(), "VERSION", 1) if step.kind != "review" else 1
    return {
        "kind": step.kind,
        "name": step.function.name,
        "code": step.function.fingerprint() if step.kind != "review" else None,
        "as": step.label,
        "on": step.on,
        "version": module_version,
        "parameters": {
            name: str(value) if isinstance(value, Feed) else value for name, value in step.parameters.items()
        },
        "user_code": _user_code(step),
    }


def _user_code(step: Step) -> dict[str, str | None]:
    """The hashes of the functions among a step's parameters."""
    if step.kind == "review":
        return {}
    function = step.function.load()
    given = [name for name in step.parameters if name in options(function) and takes_function(function, name)]
    return {name: Named("function", str(step.parameters[name]), step.function.base).fingerprint() for name in given}
