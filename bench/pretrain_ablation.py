"""Whether cleaning pays at equal tokens: `python bench/pretrain_ablation.py [CORPUS] [--steps 300] [--seeds 0 1 2]`.

CORPUS is corpus-50.jsonl of bench/corpus.py: pages, manuals and read-mes of 41 packages of documentation, with what
such pages repeat (navigation, licences, templates, other languages). Whole packages, in the order of their names'
hashes, are held out before anything else until they have a tenth of the text; what is nearly the same as a training
document (similarity 0.8) leaves the held-out. One recipe makes the lists: as found, and after exact, near and line
deduplication, the rules of Gopher and English alone. Both arms have the same tokenizer (learnt from what was found),
shape, seed and number of tokens. Held-out text is measured as found and cleaned alike; intervals are of the mean paired
difference in bits a byte, documents drawn again 10,000 times.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from corpus import default_folder
from pretrain import keep, quiet_job
from rich.console import Console

HELD_OUT = 0.1  # of all text
EACH = 6  # of the documents held out as found, one is measured: they are many
CLEAN: list[dict[str, Any]] = [
    {"pass": "exact_dedup", "normalise": True},
    {"pass": "near_dedup"},
    {"pass": "line_dedup"},
    {"preset": "gopher"},
    {"signal": "language", "keep": {"allow": ["en"]}},
]


def main() -> None:
    """Make the lists, train both arms for each seed, print and keep what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?", default=default_folder() / "corpus-50.jsonl")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--size", default="1M")
    parser.add_argument("--workspace", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lists = lists_of(asked.corpus, asked.workspace or Path(folder))
        print(
            {
                name: f"{len(rows):,} documents, {characters(rows) / 1e6:.1f} M characters"
                for name, rows in lists.items()
            }
        )
        found = [compared(lists, asked.size, asked.steps, seed) for seed in asked.seeds]
    counts = {name: {"documents": len(rows), "characters": characters(rows)} for name, rows in lists.items()}
    keep("ablation", {"lists": counts, "steps": asked.steps, "size": asked.size, "seeds": found})


def characters(rows: Sequence[Mapping[str, Any]]) -> int:
    """Of all texts."""
    return sum(len(row["text"]) for row in rows)


def documents_in(corpus: Path) -> dict[str, list[dict[str, str]]]:
    """The documents to learn from and those held out, by packages."""
    packages: dict[str, list[dict[str, str]]] = {}
    with corpus.open() as lines:
        for document in map(json.loads, lines):
            packages.setdefault(document["source"], []).append(document)
    whole = sum(characters(documents) for documents in packages.values())
    found: dict[str, list[dict[str, str]]] = {"known": [], "held": []}
    for package in sorted(packages, key=lambda name: hashlib.sha256(name.encode()).digest()):
        part = "held" if characters(found["held"]) < HELD_OUT * whole else "known"
        found[part] += packages[package]
    return found


def lists_of(corpus: Path, work: Path) -> dict[str, list[dict[str, Any]]]:
    """The four lists, made by one recipe: to learn and held out, as found and cleaned."""
    from tunesmith.recipe import load_recipe
    from tunesmith.run import run_recipe
    from tunesmith.web.progress import speaking

    work.mkdir(parents=True, exist_ok=True)
    files = documents_in(corpus)
    for name, documents in files.items():
        lines = (json.dumps({"id": one["id"], "text": one["text"]}) + "\n" for one in documents)
        (work / f"{name}.jsonl").write_text("".join(lines), "utf-8")
    source = {name: {"source": "jsonl", "path": f"{name}.jsonl", "id": "id"} for name in files}
    new = {"pass": "near_dedup", "as": "known_elsewhere", "against": "found"}
    data = {
        "found": [source["known"]],
        "cleaned": [source["known"], *CLEAN],
        "held_found": [source["held"], new],
        "held_cleaned": [source["held"], new, *CLEAN],
    }
    (work / "recipe.yaml").write_text(yaml.safe_dump({"name": "ablation", "seed": 7, "data": data}, sort_keys=False))
    with speaking(Console(stderr=True)) as speaker:
        lists = run_recipe(load_recipe(work / "recipe.yaml"), work / "workspace", speaker).lists
    rows = {name: [row for table in lists[name].tables(["text"]) for row in table.to_pylist()] for name in data}
    return rows | {"held_found": rows["held_found"][::EACH]}


def compared(lists: Mapping[str, list[dict[str, Any]]], size: str, steps: int, seed: int) -> dict[str, Any]:
    """Both arms of a seed: bits a byte on each held-out list, and the paired difference with its interval."""
    bits = {arm: learnt(lists, arm, size, steps, seed) for arm in ("found", "cleaned")}
    result: dict[str, Any] = {"seed": seed}
    for held in ("held_found", "held_cleaned"):
        before, after = (bits[arm][held] for arm in ("found", "cleaned"))
        result[held] = difference(before, after, seed) | {"documents": len(before)}
    print(result, flush=True)
    return result


def learnt(
    lists: Mapping[str, list[dict[str, Any]]], arm: str, size: str, steps: int, seed: int
) -> dict[str, np.ndarray]:
    """Nats and bytes of each held-out document, [documents, 2] of each held-out list, after training on a list."""
    from tunesmith.train.documents import write_documents
    from tunesmith.train.language import HeldOut
    from tunesmith.train.pretrain import pretrain
    from tunesmith.train.start import start_from

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        start = work / "start"
        untrained(lists["found"], size, seed, start)
        job = quiet_job(start, lists[arm], [], work, seed)
        done = pretrain(job, steps=steps, batch_size=16, length=256, learning_rate=4e-3, patience=None)
        print(f"seed {seed}, {arm}: {done.epochs:.2f} epochs, last loss {done.curve[-1]['loss']:.3f}", flush=True)
        begun = start_from(quiet_job(job.out, [], [], work, seed))
        found = {}
        for held in ("held_found", "held_cleaned"):
            documents = write_documents(lists[held], begun.tokenizer, work / held)
            sums = np.zeros((len(documents), 2))
            sums[:, 1] = documents.bytes
            for document, _, nats in HeldOut(documents, 256, most=1 << 40).nats(begun):
                sums[document, 0] += nats.sum(dtype=np.float64)
            found[held] = sums
        return found


def untrained(rows: list[dict[str, Any]], size: str, seed: int, out: Path) -> None:
    """The model that both arms begin with, its tokenizer learnt from what was found."""
    from dataclasses import replace

    from tunesmith.train.folder import write_start
    from tunesmith.train.job import Scratch

    scratch = Scratch(size, {"vocabulary": 4096}, {"length": 256})
    write_start(replace(quiet_job(scratch, rows, [], out, seed), out=out))


def difference(found: np.ndarray, cleaned: np.ndarray, seed: int) -> dict[str, Any]:
    """Bits a byte of both arms over all text, and cleaned minus found with its interval of 95 %."""
    both = np.stack([found[:, 0], cleaned[:, 0], found[:, 1]], axis=1)
    rng = np.random.default_rng(seed)
    drawn = np.array([both[rng.integers(len(both), size=len(both))].sum(axis=0) for _ in range(10_000)])
    differences = (drawn[:, 1] - drawn[:, 0]) / drawn[:, 2] / np.log(2)
    total = both.sum(axis=0)
    low, high = np.quantile(differences, [0.025, 0.975])
    bits = total[:2] / total[2] / np.log(2)
    return {
        "found": round(float(bits[0]), 4),
        "cleaned": round(float(bits[1]), 4),
        "difference": [round(float(value), 4) for value in (bits[1] - bits[0], low, high)],
    }


if __name__ == "__main__":
    main()
