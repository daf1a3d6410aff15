"""The rows that each kind of step writes for a fixed small input, pinned: they change only with the step's VERSION.

What is pinned is the hash of the rows with their types, so that another version of the Parquet writer changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.running import artifacts, run, write_recipe, write_rows

from tunesmith.core.artifact import Manifest, read_manifest
from tunesmith.core.hashing import sha256
from tunesmith.data import stretch, verdicts
from tunesmith.data.makers import pairs
from tunesmith.data.passes import exact_dedup, sample, split

RECIPE = """
name: golden
seed: 7
data:
  texts:
    - {source: jsonl, path: rows.jsonl, id: key, license: MIT, domain: letters, group: author}
    - {edit: redact_pii}
    - {edit: to_chat, user: "Say {key}", assistant: "{text}"}
    - {signal: words, on: answer, keep: {min: 2}}
    - {pass: exact_dedup, by: answer, normalise: true}
    - {pass: sample, rows: 12}
    - {pass: split, parts: {train: 0.5, test: 0.5}}
  pairs:
    - from: texts
    - {make: pairs, by: ./mine.py:louder}
"""
MINE = "def louder(record):\n    return record['target'].upper() if 'a' in record['target'] else None\n"

PINNED = {  # step -> VERSION, and the hash of what it writes
    "stretch": (2, "1e58f87fba3a7db9f1c873580b871270cf907a34c23da86c878bb65863002754"),
    "verdicts": (1, "fc361833ec63be3b6191a5bdd908551ba7c52a713f70d7043a7f2156554a5911"),
    "exact_dedup": (3, "7a8a3caf6fd71819022b63604765c239ff6142e8f9177718138d217c7079cfe3"),
    "sample": (1, "a7968ad06360f8e41b05fecffa2b6f140f8498e6ccd5244a07b0766b77914213"),
    "split": (2, "259ad9bcc11725911250449d9cd0bd8a7b34de941eb56119e11902bd35dd3896"),
    "pairs": (1, "c60fd1bfa8e1f3ed9351f45611c74e4966cdc944bcee67c19aeb7160a98aedf6"),
}


def golden(folder: Path) -> Path:
    """Twenty rows: equal ones, a short one, an address, an emoji, and one that cannot be read."""
    names = ["ann", "bob", "cy"]
    texts = [f"{name} writes letter {n}" for n in range(6) for name in names]
    rows = [{"key": n, "text": text, "author": text[:3]} for n, text in enumerate([*texts, texts[0].upper() + "!"])]
    rows += [
        {"key": 90, "text": "short", "author": "ann"},
        {"key": 91, "text": "to ann@example.com 👋", "author": "cy"},
    ]
    write_rows(folder / "rows.jsonl", rows)
    with (folder / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write("{torn\n")
    (folder / "mine.py").write_text(MINE, "utf-8")
    return write_recipe(folder, RECIPE)


def digest(folder: Path) -> str:
    """The hash of the rows of an artifact with their types, and of what it dropped and quarantined."""
    tables = [pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))]
    lines = [path.read_text("utf-8") for path in sorted(folder.rglob("*.jsonl"))]
    return sha256(json.dumps([[_plain(table) for table in tables], lines], ensure_ascii=False))


def _plain(table: pa.Table) -> list[object]:
    return [[f"{field.name}: {field.type}" for field in table.schema], table.to_pylist()]


STEPS: dict[str, tuple[int, Callable[[Manifest], bool]]] = {
    "stretch": (stretch.VERSION, lambda one: one.step == "stretch" and one.name == "texts"),
    "verdicts": (verdicts.VERSION, lambda one: one.step == "verdicts" and "signal.words" in str(one.parameters)),
    "exact_dedup": (exact_dedup.VERSION, lambda one: one.step == "pass exact_dedup"),
    "sample": (sample.VERSION, lambda one: one.step == "pass sample"),
    "split": (split.VERSION, lambda one: one.step == "pass split"),
    "pairs": (getattr(pairs, "VERSION", 1), lambda one: one.step == "stretch" and one.name == "pairs"),
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    run(golden(folder), folder / "ws", workers=1)
    return folder / "ws"


@pytest.mark.parametrize("step", STEPS)
def test_a_step_writes_the_rows_that_its_version_stands_for(step: str, workspace: Path) -> None:
    version, is_it = STEPS[step]
    [folder] = [folder for folder in artifacts(workspace) if is_it(read_manifest(folder))]
    assert (version, digest(folder)) == PINNED.get(step), (
        f"{step} writes other rows than before. If that is meant, raise VERSION in its module, so that nobody's "
        f"workspace takes old rows for new ones, and pin {(version, digest(folder))} here."
    )
