"""Running recipes as a user does: through the command line, or in this process where that is quicker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tunesmith.core.hashing import file_sha256
from tunesmith.recipe import load_recipe
from tunesmith.run import Outcome, run_recipe

TESTS = Path(__file__).parent
TINY = TESTS / "tiny.yaml"
CLI = (sys.executable, "-m", "tunesmith.cli")
SETTLED = ("datasets", "frozen", "checkpoints", "models", "reports", "reviews")  # whose bytes a run stands for


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


def cli(*arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Done:
    """One command through the real command line."""
    ended = subprocess.run(
        [*CLI, *map(str, arguments)], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True
    )
    return Done(ended.returncode, ended.stdout, ended.stderr)


@dataclass
class Heard:
    """A show that remembers what it was told."""

    said: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def progress(self, step: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        self.steps.append(step)


def run(recipe: Path, workspace: Path, *, show: Heard | None = None, **options: object) -> Outcome:
    """A run in this process; `sets`, `rows` and `steps` go to the recipe, all else to the run."""
    of_recipe = {name: options.pop(name) for name in ("sets", "rows", "steps") if name in options}
    loaded = load_recipe(recipe, **of_recipe)  # type: ignore[arg-type]  # by name
    return run_recipe(loaded, workspace, show or Heard(), **options)  # type: ignore[arg-type]  # by name


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    """Rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def write_recipe(folder: Path, text: str, name: str = "recipe.yaml") -> Path:
    """A recipe beside its data."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def bytes_of(workspace: Path) -> dict[str, str]:
    """The hash of every file that a run stands for, by its path in the workspace."""
    return {
        path.relative_to(workspace).as_posix(): file_sha256(path)
        for folder in SETTLED
        for path in sorted((workspace / folder).rglob("*"))
        if path.is_file()
    }


def bytes_of_folder(folder: Path) -> dict[str, str]:
    """The hash of every file of a folder, by its name."""
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The paths that are not the same bytes in both."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def report_of(workspace: Path, name: str) -> dict[str, object]:
    """The report.json of a run."""
    report: dict[str, object] = json.loads((workspace / "runs" / name / "report.json").read_text("utf-8"))
    return report


def artifacts(workspace: Path, kind: str = "datasets") -> set[Path]:
    """The finished artifacts of a kind."""
    return {path.parent for path in (workspace / kind).glob("*/*/manifest.json")}


def rows_of(outcome: Outcome, name: str, part: str | None = None) -> list[dict[str, object]]:
    """The kept rows of a list."""
    return [row for table in outcome.lists[name].tables(part=part) for row in table.to_pylist()]
