"""The checkpoints of a workspace: found by name, listed with what is known of them and what the gate said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import MANIFEST, is_done, read_manifest
from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.run.context import ref_of

NOT_SEEN = "not evaluated"


def find_checkpoint(workspace: Path, name: str) -> Path:
    """The folder of a checkpoint by NAME (the newest of it) or NAME/KEY, of which a beginning is enough."""
    found = _checkpoints(workspace)
    wanted, _, key = name.partition("/")
    of_name = [folder for folder in found if folder.parent.name == wanted and folder.name.startswith(key)]
    if not of_name:
        known = sorted({folder.parent.name for folder in found})
        hint = near(wanted, known) if known else "Run a recipe that trains one first: tunesmith run RECIPE"
        raise UserError(f"{workspace} holds no checkpoint {name!r}.", hint)
    if key and len(of_name) > 1:
        raise UserError(f"{len(of_name)} checkpoints begin with {name!r}.", f"Say more: {ref_of(of_name[0])}")
    return of_name[-1]


def _checkpoints(workspace: Path) -> list[Path]:
    """All finished checkpoints, the oldest first."""
    found = list((workspace / "checkpoints").glob(f"*/*/{MANIFEST}"))
    return [path.parent for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path))]


def gate_state(workspace: Path, checkpoint: Path) -> str:
    """What the newest gate that saw a checkpoint said: passed, failed or undecided; or that none has."""
    verdicts = list((workspace / "reports" / "gate").glob(f"*/{MANIFEST}"))
    for path in sorted(verdicts, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        states = cast(Mapping[str, str], read_manifest(path.parent).facts.get("checkpoints", {}))
        if ref_of(checkpoint) in states:
            return states[ref_of(checkpoint)]
    return NOT_SEEN


@dataclass(frozen=True)
class Listed:
    """An adapter of a workspace, as it is listed."""

    ref: str  # NAME/KEY
    kind: str
    base: str
    trained: int  # of the parameters: those that moved
    parameters: int
    bytes: int
    base_bytes: int
    gate: str

    def __str__(self) -> str:
        """One line, for people."""
        share = f"{self.trained:,} of {self.parameters:,} parameters ({self.trained / self.parameters:.2%})"
        sizes = f"{readable_bytes(self.bytes)} beside {readable_bytes(self.base_bytes)}"
        return f"{self.ref}  {self.kind} on {self.base}  {share}  {sizes}  {self.gate}"


def adapters(workspace: Path) -> Iterator[Listed]:
    """The adapters of a workspace, the oldest first."""
    for folder in _checkpoints(workspace):
        facts = read_manifest(folder).facts
        known = cast(Mapping[str, object] | None, facts.get("adapter_facts"))
        if known is None:
            continue
        yield Listed(
            ref_of(folder),
            str(known["kind"]),
            str(known["base"]),
            cast(int, facts["trained"]),
            cast(int, facts["parameters"]),
            cast(int, known["bytes"]),
            cast(int, known["base_bytes"]),
            gate_state(workspace, folder),
        )


def base_of(workspace: Path, folder: Path) -> str:
    """What a model folder is called: NAME/KEY of a checkpoint of the workspace, else the name of its folder."""
    here = folder.resolve()
    ours = here.parent.parent == (workspace / "checkpoints").resolve() and is_done(here)
    return ref_of(here) if ours else here.name


def readable_bytes(size: int) -> str:
    """A size as people say it: 1,536,000 is 1.5 MB."""
    if size < 1_000_000:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1_000_000_000 else f"{size / 1e9:.2f} GB"
