"""Membership inference on models that are trained here, so that it is known which texts they have seen.

Pieces of Shakespeare's plays are dealt at random into members and others, so that the halves differ in nothing else; a
small Llama is trained on the members until it knows them by heart, or for a single round, or not at all. Last, a model
that was not trained is asked about two halves that do differ in kind (the plays, and standards for computers).
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from checks.rows import Row

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the small models and streams that the tests make

from tests.data.passes.membership_toys import chunks_of, save_model
from tests.data.passes.stream_toys import stream_of, texts

from tunesmith.core.record import LocalPath
from tunesmith.data.passes.membership import membership

SEEDS = (0, 1, 2)
HALF = 200
SIZE = 200  # characters of a piece
OVER_TRAINED, ONCE = 12, 1  # rounds
SHOWN = ("membership", "min_k_plus_plus", "min_k", "log_prob", "zlib", "words and lengths, without the model")

Areas = Mapping[str, Mapping[str, float]]


def measure(data: Path) -> list[Row]:
    """The AUROC of each score on each seed, with its interval."""
    plays = (data / "tinyshakespeare" / "input.txt").read_text("utf-8")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            pieces = chunks_of(plays, size=SIZE, count=2 * HALF, seed=seed)
            members, others = pieces[:HALF], pieces[HALF:]
            for name, rounds in (("over-trained", OVER_TRAINED), ("one round", ONCE), ("untrained", 0)):
                place = Path(folder) / f"{seed} {name}"
                model = save_model(place / "model", pieces, members if rounds else [], epochs=rounds, seed=seed)
                rows += _rows(f"{name}, seed {seed}", _areas(model, members, others, place), bar=name == "over-trained")
            standards = chunks_of(_standards(data), size=SIZE, count=HALF, seed=seed)
            areas = _areas(model, members, standards, Path(folder) / f"{seed} shifted")
            rows += _rows(f"untrained, lists of two kinds, seed {seed}", areas, bar=False)
    return rows


def _areas(model: str, members: Sequence[str], others: Sequence[str], scratch: Path) -> Areas:
    seen, unseen = stream_of(texts(*members), scratch=scratch / "a"), stream_of(texts(*others), scratch=scratch / "b")
    steps = membership(seen, model=LocalPath(model), unseen=unseen, seen=seen)
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        return cast(Areas, ended.value["known"])


def _rows(case: str, areas: Areas, *, bar: bool) -> list[Row]:
    bars = {name: ">= 0.8" for name in ("membership", "min_k_plus_plus") if bar}
    return [
        Row(
            f"{case}: {name}",
            areas[name]["value"],
            int(areas[name]["n"]),
            areas[name]["low"],
            areas[name]["high"],
            bars.get(name, ""),
        )
        for name in SHOWN
    ]


def _standards(data: Path) -> str:
    with gzip.open(data / "eips" / "eips.jsonl.gz", "rt", encoding="utf-8") as lines:
        return "\n".join(str(json.loads(line)["text"]) for line, _ in zip(lines, range(200), strict=False))
