"""The data files of this room, and a user's own that come before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import cast

from tunesmith.core.errors import UserError

Fields = Mapping[str, object]


@dataclass(frozen=True)
class Listed:
    """Entries by name, when they were true and where they are from."""

    name: str
    entries: Mapping[str, Fields]
    fields: Fields
    path: Path | None = None  # of a user's file
    own: frozenset[str] = frozenset()  # the entries that are from there

    @property
    def file(self) -> str:
        """The file that was used, for people."""
        return str(self.path) if self.path else f"tunesmith's {self.name}"

    def told(self, entry: str) -> str:
        """Where an entry is from, and of when."""
        if entry in self.own:
            return f"{self.path}, as of {self.fields['as_of']}"
        return f"tunesmith's {self.name}, as of {shipped(self.name)['as_of']}"


@cache
def shipped(name: str) -> Fields:
    """A data file of this room, such as prices.yaml."""
    from ruamel.yaml import YAML

    text = files("tunesmith.costs").joinpath(name).read_text("utf-8")
    return cast(Fields, YAML(typ="safe").load(text))


def listed(name: str, *, given: Path | None = None, folders: Sequence[Path] = ()) -> Listed:
    """The GPUs of prices.yaml or peaks.yaml; a user's file, given or found in a folder, comes before the shipped one.

    Entries that the user's file does not have stay as shipped. Raises UserError where it is not of that form.
    """
    ours = shipped(name)
    there = (folder / name for folder in folders)
    path = given or next((path for path in there if path.is_file()), None)
    entries = cast("Mapping[str, Fields]", ours["gpus"])
    if path is None:
        return Listed(name, entries, ours)
    fields = _own(path)
    own = cast("Mapping[str, Fields]", fields["gpus"])
    rest = {gpu: entry for gpu, entry in entries.items() if gpu not in own}
    return Listed(name, {**own, **rest}, {**ours, **fields}, path, frozenset(own))


def _own(path: Path) -> Fields:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        fields = YAML(typ="safe").load(path.read_text("utf-8"))
    except (OSError, YAMLError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"{path} cannot be read: {first}", "docs/costs.md shows the form.") from error
    gpus = fields.get("gpus") if isinstance(fields, Mapping) else None
    if not isinstance(gpus, Mapping) or not all(isinstance(entry, Mapping) for entry in gpus.values()):
        raise UserError(f"{path} has no gpus: with an entry for each.", "docs/costs.md shows the form.")
    missing = [word for word in ("as_of", "source") if word not in fields]
    if missing:
        raise UserError(f"{path} does not say {missing[0]}.", "A price without date and source cannot be trusted.")
    return cast(Fields, fields)
