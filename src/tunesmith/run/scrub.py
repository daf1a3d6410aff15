"""Files without some records: what each kind of file looks like once their rows, and what quotes them, are gone.

Every function may be killed and called again: a file takes its place whole, and one that is clean stays as it is.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tunesmith.core.artifact import replacing, write_json
from tunesmith.core.record import SIGNAL
from tunesmith.data.dataset import read_shard, write_shard

ERASED = "[erased]"
AN_ID = re.compile("(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
Ids = Set[str]


def scrub_file(path: Path, ids: Ids) -> bool:
    """Take records and what quotes them out of a file of any kind we write; tells whether it changed."""
    scrub = SCRUBS.get(path.suffix)
    return scrub(path, ids) if scrub else False


def scrub_shard(path: Path, ids: Ids, rows: Sequence[int], count: int) -> bool:
    """Take the rows at these places out of a shard that had `count` rows, and evidence that names one of the ids."""
    table = read_shard(path)
    clean = without_evidence(table, ids)
    if rows and table.num_rows == count:
        stays = np.ones(count, bool)
        stays[list(rows)] = False
        clean = clean.filter(pa.array(stays))
    if clean is table:
        return False
    write_shard(path, clean)
    return True


def without_evidence(table: pa.Table, ids: Ids) -> pa.Table:
    """The rows without what a step wrote about other records, such as a survivor and a passage that it shares."""
    wanted = pa.array(sorted(ids), pa.string())
    texts = [name for name in table.column_names if pa.types.is_string(table[name].type) and name.startswith(SIGNAL)]
    for name in texts:
        hits = pc.fill_null(pc.is_in(table[name], value_set=wanted), False)
        if not pc.any(hits).as_py():
            continue
        for other in (one for one in texts if _step_of(one) == _step_of(name)):
            blank = pc.if_else(hits, pa.scalar(None, pa.string()), table[other])
            table = table.set_column(table.column_names.index(other), other, blank)
    return _without_quotes(table, ids)


def _without_quotes(table: pa.Table, ids: Ids) -> pa.Table:
    """The rows with a reason that names one of the ids told without it."""
    if "why" not in table.column_names or not pa.types.is_string(table["why"].type):
        return table
    given = table["why"].to_pylist()
    clean = [why if why is None else scrub_text(why, ids) for why in given]
    if clean == given:
        return table
    return table.set_column(table.column_names.index("why"), "why", pa.array(clean, pa.string()))


def scrub_text(text: str, ids: Ids) -> str:
    """The text without these ids."""
    return AN_ID.sub(lambda found: ERASED if found[0] in ids else found[0], text)


def quotes(text: str, ids: Ids) -> bool:
    """Whether a text names one of these ids."""
    return any(found in ids for found in AN_ID.findall(text))


def _step_of(column: str) -> str:
    return column.removeprefix(SIGNAL).partition(".")[0]


def holds_any(path: Path, ids: Ids) -> bool:
    """Whether a Parquet file has a row of one of these ids, or names one as a parent or in its evidence."""
    wanted = pa.array(sorted(ids), pa.string())
    with pq.ParquetFile(path) as file:
        names = [each.name for each in file.schema_arrow if _may_name(each)]
        groups = range(file.num_row_groups) if names else ()
        return any(
            pc.any(pc.is_in(_flat(column), value_set=wanted)).as_py()
            for group in groups
            for column in file.read_row_group(group, columns=names).columns
        )


def _may_name(column: pa.Field) -> bool:
    if column.name == "parents":
        return bool(pa.types.is_list(column.type))
    return bool(pa.types.is_string(column.type)) and (column.name == "id" or column.name.startswith(SIGNAL))


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.list_flatten(column) if pa.types.is_list(column.type) else column


def scrub_value(value: object, ids: Ids) -> object:
    """JSON without what is told of these records: an item of a list that names one goes, whole."""
    if isinstance(value, str):
        return scrub_text(value, ids)
    if isinstance(value, Mapping):
        return {scrub_text(str(name), ids): scrub_value(item, ids) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub_value(item, ids) for item in value if not _names(item, ids)]
    return value


def _names(item: object, ids: Ids) -> bool:
    """Whether an item of a list is about one of the records: it is its id, or names it at its own level."""
    own = item.values() if isinstance(item, Mapping) else item if isinstance(item, list | tuple) else [item]
    return any(isinstance(one, str) and quotes(one, ids) for one in own)


def _scrub_json(path: Path, ids: Ids) -> bool:
    text = path.read_text("utf-8")
    if not quotes(text, ids):
        return False
    clean = scrub_value(json.loads(text), ids)
    assert isinstance(clean, dict)  # every JSON file of ours is an object
    write_json(path, clean)
    return True


def _scrub_lines(path: Path, ids: Ids) -> bool:
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return _rewrite(path, lines, [line for line in lines if not quotes(line, ids)])


def _scrub_table(path: Path, ids: Ids) -> bool:
    """A CSV as people may have saved it: rows go whole, and all else stays as it was."""
    text = path.read_text("utf-8-sig")
    if not quotes(text, ids):
        return False
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(row for row in rows if not set(row) & ids)
    return True


def _scrub_parquet(path: Path, ids: Ids) -> bool:
    if "id" not in pq.read_schema(path).names:
        return False
    table = read_shard(path)
    hits = pc.is_in(table["id"], value_set=pa.array(sorted(ids), pa.string()))
    clean = without_evidence(table.filter(pc.invert(hits)) if pc.any(hits).as_py() else table, ids)
    if clean is table:
        return False
    write_shard(path, clean)
    return True


def _rewrite(path: Path, before: Sequence[str], after: Sequence[str]) -> bool:
    if len(before) == len(after):
        return False
    if not after:
        path.unlink()
        return True
    with replacing(path) as temporary:
        temporary.write_text("".join(after), "utf-8")
    return True


SCRUBS: dict[str, Callable[[Path, Ids], bool]] = {
    ".json": _scrub_json,
    ".jsonl": _scrub_lines,
    ".csv": _scrub_table,
    ".parquet": _scrub_parquet,
}
