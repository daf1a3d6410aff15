"""The shares of a mix as a recipe writes them: each for one domain, for several together, or for all others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.core.registry import near

OTHERS = "*"
EXAMPLE = 'For example shares: {web: 0.6, "books, articles": 0.3, "*": 0.1}.'


@dataclass(frozen=True)
class Pool:
    """Domains that make up one share of a mix together; none for all that no other share names."""

    name: str
    domains: tuple[str, ...]
    share: float


def pools_of(shares: Mapping[str, float] | str) -> tuple[Pool, ...]:
    """The pools of a mix, or of a preset of this name; raises UserError if they are no division of a whole."""
    given = preset(shares) if isinstance(shares, str) else shares
    pools = tuple(Pool(name, _domains(name), float(share)) for name, share in given.items())
    total = math.fsum(pool.share for pool in pools)
    if not pools or any(not pool.share > 0 for pool in pools) or abs(total - 1) > 1e-6:
        listed = ", ".join(f"{pool.name}: {pool.share:g}" for pool in pools)
        raise UserError(f"mix: the shares ({listed}) add up to {total:g}.", f"Shares are above 0, 1 in all. {EXAMPLE}")
    named = [domain for pool in pools for domain in pool.domains]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise UserError(f"mix: {twice[0]!r} is in two shares.", "Name each domain once.")
    if nameless := [pool.name for pool in pools if not pool.domains and pool.name != OTHERS]:
        raise UserError(f"mix: the share {nameless[0]!r} names no domain.", EXAMPLE)
    return pools


def _domains(name: str) -> tuple[str, ...]:
    """The domains that the name of a share stands for.

    >>> _domains("books, articles"), _domains("*")
    (('books', 'articles'), ())
    """
    return () if name == OTHERS else tuple(part for each in name.split(",") if (part := each.strip()))


def preset(name: str) -> Mapping[str, float]:
    """The shares of a mix that comes with tunesmith."""
    from ruamel.yaml import YAML

    folder = files("tunesmith.data") / "mixes"
    known = sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml"))
    if name not in known:
        raise UserError(f"mix: there is no mix {name!r}.", near(name, known))
    found: Mapping[str, float] = YAML(typ="safe").load((folder / f"{name}.yaml").read_text("utf-8"))["shares"]
    return found


def pool_numbers(values: pa.ChunkedArray, pools: Sequence[Pool]) -> NDArray[np.int64]:
    """The number of the pool that each value belongs to; -1 for one that no share is for."""
    pairs = list(_pairs(pools))
    others = next((number for number, pool in enumerate(pools) if not pool.domains), -1)
    places = pc.index_in(values.cast(pa.string()), value_set=pa.array([domain for domain, _ in pairs], pa.string()))
    numbers = np.array([*(number for _, number in pairs), others], np.int64)
    found: NDArray[np.int64] = numbers[pc.fill_null(places, len(pairs)).to_numpy()]
    return found


def _pairs(pools: Sequence[Pool]) -> Iterator[tuple[str, int]]:
    return ((domain, number) for number, pool in enumerate(pools) for domain in pool.domains)
