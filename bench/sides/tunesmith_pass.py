"""One pass over a list that is stored already: `python tunesmith_pass.py DATASET OUT WORKERS work|tell PASS [OPTIONS]`.

OPTIONS is JSON: the pass's parameters, and bounds under "keep". The layer is written to OUT as a run writes it, and
nothing there is used again. Prints how many rows were measured; with `tell` also which of them bounds remove and which
belong together, by their positions, as one line of JSON.
"""

import importlib
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path

from tunesmith.core.bound import Bound, parse_bound
from tunesmith.core.executor import LocalExecutor
from tunesmith.data.dataset import Dataset, open_dataset, read_shard, shard_path, write_shard
from tunesmith.data.stream import Stream

FOLDER, OUT, WORKERS, MODE, NAME, *GIVEN = sys.argv[1:]
SEED = 0
TIES = {"clusters": "cluster", "stars": "survivor"}  # columns that name a row which this one belongs to

Row = dict[str, object]


def main() -> None:
    """Run the pass, write its layer, tell what it did."""
    shutil.rmtree(OUT, ignore_errors=True)
    module = importlib.import_module(f"tunesmith.data.passes.{NAME}")
    options = json.loads(GIVEN[0]) if GIVEN else {}
    given = options.pop("keep", getattr(module, "KEEP", {}))
    keep = {name: parse_bound(bound, NAME) for name, bound in given.items()}
    executor = LocalExecutor(int(WORKERS))
    dataset = open_dataset(Path(FOLDER))
    stream = Stream(dataset, executor, Path(OUT, "scratch"), SEED, keep=keep, cache=Path(OUT, "cache"))
    stream.scratch.mkdir(parents=True)
    rows = 0
    for shard, table in enumerate(getattr(module, NAME)(stream, **options)):
        write_shard(shard_path(Path(OUT), shard), table)
        rows += table.num_rows
    executor.close()
    print(json.dumps({"documents": rows, **(told(dataset, keep) if MODE == "tell" else {})}))


def told(dataset: Dataset, keep: dict[str, Bound]) -> dict[str, object]:
    """Positions of what is removed, and those that the columns of TIES hold together."""
    rows: list[Row] = []
    for shard in range(dataset.shards):
        ids = dataset.read(shard, ["id"]).to_pylist()
        measured = read_shard(shard_path(Path(OUT), shard)).to_pylist()
        rows += [{**row, **own} for row, own in zip(measured, ids, strict=True)]
    place = {row["id"]: str(number) for number, row in enumerate(rows)}
    removed = [place[row["id"]] for row in rows if any(bound.fault(row[name]) for name, bound in keep.items())]
    return {"removed": removed, **{kind: _tied(rows, column, place) for kind, column in TIES.items()}}


def _tied(rows: list[Row], column: str, place: dict[object, str]) -> list[list[str]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row.get(column) or row["id"]].append(place[row["id"]])
    return [group for group in groups.values() if len(group) > 1]


if __name__ == "__main__":
    main()
