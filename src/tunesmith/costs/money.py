"""What hours on a GPU cost, from dated lists that a user can replace."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tunesmith.core.errors import UserError
from tunesmith.costs.files import Listed
from tunesmith.costs.time import Range


def price_of(gpu: str, prices: Listed) -> Range | None:
    """What an hour of a GPU costs, or None where no price is listed; UserError where an entry makes no sense."""
    entry = prices.entries.get(gpu)
    if entry is None:
        return None
    low, high = entry.get("low"), entry.get("high")
    if not isinstance(low, int | float) or not isinstance(high, int | float) or not 0 < low <= high:
        raise UserError(
            f"{prices.told(gpu)}: {gpu} needs low and high.", "Both are above 0, and low is not above high."
        )
    likely = entry.get("likely", math.sqrt(low * high))
    if not isinstance(likely, int | float) or not low <= likely <= high:
        raise UserError(
            f"{prices.told(gpu)}: likely of {gpu} is not between low and high.", "Leave it out, or mend it."
        )
    return Range(low, likely, high)


def extra_share(prices: Listed) -> float:
    """What comes to the hours of training: starts, failures, evaluation, waiting."""
    given = prices.fields["extra"]
    share = given.get("share") if isinstance(given, Mapping) else None
    if not isinstance(share, int | float) or share < 0:
        raise UserError(f"{prices.file}: extra: needs a share.", "For example extra: {share: 0.1}.")
    return float(share)


def money_of(hours: Range, devices: int, price: Range, extra: float) -> Range:
    """What so many hours on so many devices cost: cheap and fast, likely, dear and slow."""
    cost = hours.times(price)
    return Range(*(value * devices * (1 + extra) for value in vars(cost).values()))
