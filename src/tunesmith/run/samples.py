"""Rows for people to look at: drawn by their place first, so that only those shown are ever read whole."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import pyarrow as pa

from tunesmith.core.bound import SIGNS
from tunesmith.core.hashing import unit_interval
from tunesmith.core.record import SIGNAL
from tunesmith.data.dataset import Dataset
from tunesmith.data.edits.redact_pii import redact
from tunesmith.data.funnel import chain, replaced_rows
from tunesmith.data.verdicts import Rule

SAMPLES = 10  # dropped rows shown per reason, and kept ones beside them
SHOWN = 400  # characters of a sample
Row = Mapping[str, object]
Place = tuple[float, str, int, int]  # how far down in the draw, id, shard, row


def samples(dataset: Dataset, rules: Sequence[Rule], seed: str) -> dict[str, object]:
    """Kept rows, and for each reason rows that were dropped beside the kept ones nearest to the bound."""
    links = chain(dataset)
    dropped = [group for link in links for group in _groups(link, rules, seed)]
    kept = _rows(dataset, _kept(dataset, seed))
    return {
        "kept": [{**_brief(row), "signals": _signals(row)} for row in kept],
        "dropped": [group for group in [*dropped, *_replaced(links, seed)] if group["rows"]],
    }


def _draw(places: Iterable[Place]) -> list[Place]:
    """A sample that is the same for the same rows and seed."""
    return heapq.nsmallest(SAMPLES, places)


def _place(seed: str, row_id: str, shard: int, row: int) -> Place:
    return unit_interval([seed, row_id]), row_id, shard, row


def _kept(dataset: Dataset, seed: str) -> list[Place]:
    def places() -> Iterator[Place]:
        for shard in range(dataset.shards):
            table = dataset.read(shard, ["id", "kept"], kept=False)
            for row, (row_id, kept) in enumerate(zip(table["id"].to_pylist(), table["kept"].to_pylist(), strict=True)):
                if kept is not False:
                    yield _place(seed, row_id, shard, row)

    return _draw(places())


def _groups(link: Dataset, rules: Sequence[Rule], seed: str) -> Iterator[dict[str, object]]:
    """For each reason that this part of a list dropped rows for: some of them, and the nearest that stayed."""
    found: dict[tuple[str, str], list[Place]] = {}
    for shard in range(link.shards):
        table = link.read(shard, ["id", "step", "why"], kept=False)
        whys = table["why"].to_pylist()
        hits = [row for row, why in enumerate(whys) if why is not None]
        ids, steps = (table[name].take(pa.array(hits, pa.int64())).to_pylist() for name in ("id", "step"))
        for row, row_id, step in zip(hits, ids, steps, strict=True):
            reason = (step, whys[row].partition(" ")[0])
            drawn = found.setdefault(reason, [])
            drawn.append(_place(seed, row_id, shard, row))
            if len(drawn) > 100 * SAMPLES:
                found[reason] = _draw(drawn)
    for (step, column), places in found.items():
        rule = next((rule for rule in rules if rule.step == step and rule.column == f"{SIGNAL}{column}"), None)
        near = [] if rule is None else _nearest(link, rule)
        yield {
            "reason": column if rule else step,
            "bound": str(rule.bound) if rule else "",
            "rows": [{**_brief(row), "why": row["why"]} for row in _rows(link, _draw(places))],
            "near": [{**_brief(row), "value": row[rule.column]} for row in _rows(link, near)] if rule else [],
        }


def _nearest(link: Dataset, rule: Rule) -> list[Place]:
    """The kept rows whose value is nearest to a limit of the bound."""
    limits = [float(limit) for name in SIGNS if isinstance(limit := getattr(rule.bound, name), int | float)]
    if not limits or rule.column not in link.columns:
        return []
    found: list[Place] = []
    values: set[float] = set()
    for shard in range(link.shards):
        table = link.read(shard, ["id", "kept", rule.column], kept=False)
        if pa.types.is_string(table[rule.column].type):
            return []
        numbers = table[rule.column].to_numpy().astype(float)
        far = np.min([np.abs(numbers - limit) for limit in limits], axis=0)
        far[np.array([flag is False for flag in table["kept"].to_pylist()], bool) | np.isnan(numbers)] = np.inf
        rows = [row for row in np.argsort(far, kind="stable")[:SAMPLES].tolist() if np.isfinite(far[row])]
        found += [(float(far[row]), table["id"][row].as_py(), shard, row) for row in rows]
        values |= {float(number) for number in numbers[rows]}
    return _draw(found) if len(values) > 1 else []  # where all are the same, none is near


def _replaced(links: Sequence[Dataset], seed: str) -> Iterator[dict[str, object]]:
    """The rows that makers put others in the place of."""
    found: dict[str, list[tuple[float, str, Row]]] = {}
    for table in (table for link in links for table in replaced_rows(link)):
        for row in table.to_pylist():
            drawn = found.setdefault(str(row["step"]), [])
            drawn.append((unit_interval([seed, str(row["id"])]), str(row["id"]), row))
        found = {step: heapq.nsmallest(SAMPLES, drawn, key=lambda item: item[:2]) for step, drawn in found.items()}
    for step, drawn in found.items():
        rows = [{**_brief(row), "why": row["why"]} for _, _, row in drawn]
        yield {"reason": step, "bound": "", "rows": rows, "near": []}


def _rows(dataset: Dataset, places: Sequence[Place]) -> list[Row]:
    """The rows at these places, whole, in the order of the draw."""
    names = [*dataset.columns, *(name for name in ("why",) if name not in dataset.columns)]
    found: dict[tuple[int, int], Row] = {}
    for shard in sorted({shard for _, _, shard, _ in places}):
        rows = [row for _, _, other, row in places if other == shard]
        table = dataset.read(shard, names, kept=False).take(pa.array(rows, pa.int64()))
        found |= {(shard, row): record for row, record in zip(rows, table.to_pylist(), strict=True)}
    return [found[shard, row] for _, _, shard, row in places]


def _brief(row: Row) -> dict[str, object]:
    return {"id": row["id"], "text": shown(row)}


def shown(row: Row) -> str:
    """A row as one short text."""
    parts = [str(row["text"])[: 4 * SHOWN]] if row.get("text") else []
    for column in ("messages", "chosen", "rejected"):
        for item in cast(Sequence[Row], row.get(column) or ()):
            parts.append(f"{column if column != 'messages' else item['role']}: {item['content']}")
    text = redact("\n".join(parts))  # whatever the recipe did: a report is passed around
    return text if len(text) <= SHOWN else text[:SHOWN] + " …"


def _signals(row: Row) -> dict[str, object]:
    return {name.removeprefix(SIGNAL): value for name, value in row.items() if name.startswith(SIGNAL)}
