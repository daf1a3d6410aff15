"""What near-duplicate tools make of a file of documents, each as a process of its own; peers' answers are kept."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import peers
import pyarrow as pa
import pyarrow.parquet as pq
from stored import SIDES, Stored, ask_pass, last_line, store
from timing import run

from tunesmith.core.artifact import write_json

OURS = "tunesmith"
PERMUTATIONS = 128


@dataclass(frozen=True)
class Answer:
    """The positions that a tool removes, and the groups that it puts together."""

    removed: frozenset[int]
    clusters: tuple[tuple[int, ...], ...]
    stars: tuple[tuple[int, ...], ...] = ()  # a survivor with what was removed for it


Ask = Callable[[Path, float], Answer]  # about a .jsonl file, at a threshold
Command = Callable[[Path, Path, float], list[str | Path]]  # the same, with a folder that the process writes to


def tools(names: Sequence[str], files: Sequence[Path], folder: Path, kept: Path) -> dict[str, Ask]:
    """How to ask tunesmith and each peer about these files; what peers answered before is read from `kept`."""
    asks: dict[str, Ask] = {name: partial(_theirs, name, kept) for name in names if name in PEERS}
    if OURS in names:
        lists = {file: store(file, folder / file.stem) for file in files}
        asks[OURS] = lambda file, threshold: _ours(lists[file], threshold, folder / "pass")
    return {name: asks[name] for name in names}


def _ours(given: Stored, threshold: float, out: Path) -> Answer:
    return _answer(ask_pass(given, "near_dedup", out, keep={"similarity": {"below": threshold}}))


def _theirs(tool: str, kept: Path, file: Path, threshold: float) -> Answer:
    path = kept / f"{tool}-{_key(tool, file, threshold)}.json"
    if not path.exists():
        print(f"asking {tool} at {threshold} about {file.name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=kept) as folder:
            write_json(path, last_line(run(PEERS[tool](file, Path(folder) / "out", threshold), cores=1)))
    return _answer(json.loads(path.read_text("utf-8")))


def _key(tool: str, file: Path, threshold: float) -> str:
    """What a peer's answer depends on: the documents, its script, its packages, the threshold or its bands."""
    asked = repr(threshold if tool != "datatrove" else _bands(threshold)).encode()
    content = [file.read_bytes(), _script(tool).read_bytes(), (SIDES / f"{tool}.txt").read_bytes(), asked]
    return hashlib.sha256(b"".join(content)).hexdigest()[:20]


def _answer(told: Mapping[str, Any]) -> Answer:
    groups = (tuple(tuple(int(row) for row in group) for group in told.get(kind, ())) for kind in ("clusters", "stars"))
    return Answer(frozenset(int(row) for row in told["removed"]), *groups)


def datatrove(file: Path, out: Path, threshold: float) -> list[str | Path]:
    """Its own bands for its own threshold of about 0.72, which is what its guide has at 0.8 too; else the nearest."""
    bands, rows = _bands(threshold)
    return [
        peers.python_of("datatrove", peers.default_folder()),
        _script("datatrove"),
        file,
        out,
        str(bands),
        str(rows),
    ]


def _bands(threshold: float) -> tuple[int, int]:
    return (14, 8) if threshold == 0.8 else bands_for(threshold)


def bands_for(threshold: float) -> tuple[int, int]:
    """Bands and rows of 128 permutations whose S-curve rises nearest to the threshold.

    >>> bands_for(0.8), bands_for(0.5)
    ((11, 11), (25, 5))
    """
    choices = [(PERMUTATIONS // rows, rows) for rows in range(1, PERMUTATIONS // 2)]
    return min(choices, key=lambda choice: abs((1 / choice[0]) ** (1 / choice[1]) - threshold))


def text_dedup(file: Path, out: Path, threshold: float) -> list[str | Path]:
    """Its command, which chooses bands for the threshold."""
    return [peers.python_of("text_dedup", peers.default_folder()), _script("text_dedup"), file, out, str(threshold)]


def rensa(file: Path, out: Path, threshold: float) -> list[str | Path]:
    """Its deduplicator, which compares signatures."""
    texts = [json.loads(line)["text"] for line in file.open("rb")]
    out.mkdir()
    table = out / "documents.parquet"
    pq.write_table(pa.table([pa.array(texts)], names=["text"]), table)
    return [peers.python_of("rensa", peers.default_folder()), _script("rensa"), "keep", str(threshold), table]


PEERS: dict[str, Command] = {"datatrove": datatrove, "text_dedup": text_dedup, "rensa": rensa}


def _script(tool: str) -> Path:
    return SIDES / f"{tool}_{'dedup' if tool == 'rensa' else 'minhash'}.py"
