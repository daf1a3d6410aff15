"""Names of models and GPUs as people write them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def plain(name: str) -> str:
    """A name without owner, signs and capitals: Qwen/Qwen2.5-0.5B is qwen25 05b in one word."""
    return re.sub(r"[^a-z0-9]", "", name.rpartition("/")[2].lower().removeprefix("nvidia"))


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known names, or with all of them where none is near."""
    by_plain = {plain(each): each for each in known}
    close = difflib.get_close_matches(plain(name), by_plain, n=3, cutoff=0.6)
    if not close:
        return f"Known: {', '.join(by_plain.values())}."
    return f"Did you mean {' or '.join(by_plain[each] for each in close)}?"
