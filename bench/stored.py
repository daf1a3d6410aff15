"""Lists that are stored once and read by many passes, as a recipe's run would have left them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from timing import Ended, run

SIDES = Path(__file__).parent / "sides"
LIST = """\
name: bench
data:
  documents:
    - {{source: jsonl, path: "{file}", id: id, license: CC0-1.0}}
"""


@dataclass(frozen=True)
class Stored:
    """A list whose rows are in their file's order, and what it was made of."""

    recipe: Path
    workspace: Path
    rows: int
    size_bytes: int  # of the file it was read from

    @property
    def folder(self) -> Path:
        """The artifact that has the rows."""
        manifests = sorted((self.workspace / "datasets" / "documents").glob("*/manifest.json"))
        return next(path.parent for path in manifests if "shards" in json.loads(path.read_text("utf-8"))["facts"])

    @property
    def shards(self) -> list[Path]:
        """Its files of Parquet, in order."""
        return sorted((self.folder / "shards").glob("*.parquet"))

    @property
    def megabytes(self) -> float:
        """The size of the file it was read from, in millions of bytes."""
        return self.size_bytes / 1e6


def store(file: Path, folder: Path, *, cores: int = 2) -> Stored:
    """Run a recipe that reads this .jsonl file into a workspace in `folder`, and does nothing else."""
    folder.mkdir(parents=True)
    recipe = folder / "recipe.yaml"
    recipe.write_text(LIST.format(file=file), "utf-8")
    workspace = folder / "workspace"
    tunesmith(recipe, workspace, cores=cores)
    return Stored(recipe, workspace, records_in(workspace), file.stat().st_size)


def records_in(workspace: Path) -> int:
    """How many records the run in a workspace has read."""
    report = json.loads((workspace / "runs" / "bench" / "report.json").read_text("utf-8"))
    return int(report["records"]["in"])


def tunesmith(recipe: Path, workspace: Path, *, cores: int, watch: bool = False) -> Ended:
    """`tunesmith run` of a recipe, with as many workers as cores."""
    command = [sys.executable, "-m", "tunesmith.cli", "run", recipe, "--workspace", workspace]
    return run([*command, "--workers", str(cores)], cores=cores, watch=watch)


def run_pass(given: Stored, name: str, out: Path, *, cores: int = 1, watch: bool = False, **options: object) -> Ended:
    """One pass over a stored list, as a process that starts, reads, works and writes its layer."""
    return run(_command(given, name, out, cores, "work", options), cores=cores, watch=watch)


def ask_pass(given: Stored, name: str, out: Path, **options: object) -> dict[str, Any]:
    """What a pass removes of a stored list and what it puts together."""
    return last_line(run(_command(given, name, out, 1, "tell", options), cores=1))


def _command(
    given: Stored, name: str, out: Path, cores: int, mode: str, options: Mapping[str, object]
) -> list[str | Path]:
    script = SIDES / "tunesmith_pass.py"
    return [sys.executable, script, given.folder, out, str(cores), mode, name, json.dumps(options)]


def last_line(ended: Ended) -> dict[str, Any]:
    """What a side told in its last line."""
    told: dict[str, Any] = json.loads(ended.output.splitlines()[-1])
    return told


def first(file: Path, documents: int, out: Path) -> Path:
    """A file of the first documents of another."""
    with file.open("rb") as lines, out.open("wb") as written:
        written.writelines(islice(lines, documents))
    return out


def size_mb(file: Path) -> float:
    """The size of a file in millions of bytes."""
    return file.stat().st_size / 1e6
