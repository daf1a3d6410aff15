"""What a list has of each pool of a mix, and how large a mix can be made of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.data.passes._shares import OTHERS, Pool

MASS = 1024  # weighted units are summed in whole parts of this many, so that no order of shards changes a sum
NAMED = 5  # domains in a sentence

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Supply:
    """The records and units of each pool, its units by weight, its weights, and the domains that are in no pool."""

    documents: Ints
    units: Ints
    mass: Ints
    heaviest: Floats
    lightest: Floats  # of the weights above 0
    unknown: Counter[str | None]

    def __add__(self, other: Supply) -> Supply:
        return Supply(
            self.documents + other.documents,
            self.units + other.units,
            self.mass + other.mass,
            np.maximum(self.heaviest, other.heaviest),
            np.minimum(self.lightest, other.lightest),
            self.unknown + other.unknown,
        )

    def most(self, epochs: float) -> Floats:
        """The most units that each pool can give while no record is drawn in more than `epochs` copies on average."""
        return epochs * self.mass / MASS / np.where(self.heaviest > 0, self.heaviest, 1)


def nothing(pools: int) -> Supply:
    """The supply of no records."""
    documents, units, mass = np.zeros((3, pools), np.int64)
    return Supply(documents, units, mass, np.zeros(pools), np.full(pools, np.inf), Counter())


def supply_of(
    pools: Ints, units: Ints, weights: Floats, unknown: Counter[str | None], *, number_of_pools: int
) -> Supply:
    """The supply of these rows; `pools` has the number of each row's pool, -1 for one in none."""
    found = nothing(number_of_pools)
    here = pools >= 0
    places, units, weights = pools[here], units[here], weights[here]
    for values, sums in (
        (np.ones(len(places), np.int64), found.documents),
        (units, found.units),
        (np.rint(units * weights * MASS).astype(np.int64), found.mass),
    ):
        np.add.at(sums, places, values)
    np.maximum.at(found.heaviest, places, weights)
    np.minimum.at(found.lightest, places[weights > 0], weights[weights > 0])
    return Supply(found.documents, found.units, found.mass, found.heaviest, found.lightest, unknown)


def check_known(supply: Supply, by: str) -> None:
    """Raise UserError for records that no share is for."""
    if not supply.unknown:
        return
    if set(supply.unknown) == {None} and not supply.documents.any():
        hint = "Give each source its domain:." if by == "domain" else "Measure it before the mix, or mix by: domain."
        raise UserError(f"mix: no record has a {by}.", hint)
    ordered = sorted(supply.unknown.items(), key=lambda item: (-item[1], str(item[0])))
    named = ", ".join(f"{name or 'no ' + by} ({count:,})" for name, count in ordered[:NAMED])
    more = f" and {len(ordered) - NAMED:,} more" if len(ordered) > NAMED else ""
    raise UserError(
        f"mix: {supply.unknown.total():,} records are of a {by} that no share is for: {named}{more}.",
        f'Name it in shares:, give "{OTHERS}" (all others) a share, or leave such records out with rest: drop.',
    )


def targets_of(supply: Supply, pools: Sequence[Pool], total: int | None, epochs: float, unit: str) -> list[int]:
    """The units that each pool shall give; raises UserError, with what is reachable, where one has too few."""
    most = supply.most(epochs)
    if bare := [pool for pool, units in zip(pools, most, strict=True) if not units]:
        raise _bare(bare, pools, unit)
    largest = int(min(units / pool.share for pool, units in zip(pools, most, strict=True)))
    if total is not None and total > largest:
        raise _short(supply, pools, most, total, epochs, unit, largest)
    return [round(pool.share * (largest if total is None else total)) for pool in pools]


def _bare(bare: Sequence[Pool], pools: Sequence[Pool], unit: str) -> UserError:
    left = [pool for pool in pools if pool not in bare]
    whole = math.fsum(pool.share for pool in left)
    without = ", ".join(f'"{pool.name}": {pool.share / whole:.4g}' for pool in left)
    return UserError(
        f"mix: there is nothing to draw of {' and of '.join(_called(pool) for pool in bare)} (0 {unit}).",
        f"Add sources of it; without it the shares are {{{without}}}." if left else "Look at what was dropped before.",
    )


def _short(
    supply: Supply, pools: Sequence[Pool], most: Floats, total: int, epochs: float, unit: str, largest: int
) -> UserError:
    lacking = [
        f"{_called(pool)} needs {math.ceil(pool.share * total):,} (share {pool.share:g}) and has {units:,}, which "
        f"{epochs:g} epochs make {int(reach):,}: a share of at most {_floored(reach / total)}"
        for pool, units, reach in zip(pools, supply.units.tolist(), most.tolist(), strict=True)
        if pool.share * total > reach
    ]
    needed = epochs * max(pool.share * total / reach for pool, reach in zip(pools, most.tolist(), strict=True))
    return UserError(
        f"mix: too few {unit} for a total of {total:,}. {'; '.join(lacking)}.",
        f"These shares reach a total of {largest:,}; for {total:,} it takes epochs: {math.ceil(needed * 10) / 10:g}, "
        "or a lower share, or more sources.",
    )


def _called(pool: Pool) -> str:
    return "all other domains" if pool.name == OTHERS else pool.name


def _floored(share: float) -> str:
    return f"{math.floor(share * 1e4) / 1e4:g}"
