"""GPUs by name: what they can compute, and what they hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tunesmith.core.errors import UserError
from tunesmith.costs.files import Listed, listed
from tunesmith.costs.names import nearest, plain

GB = 1e9


@dataclass(frozen=True)
class Gpu:
    """A GPU as it is listed."""

    name: str
    flops: float  # a second, dense, bfloat16
    memory: float  # bytes


def gpu_named(name: str, peaks: Listed | None = None) -> Gpu:
    """The listed GPU of this name, as a person writes it; UserError with the nearest names if there is none."""
    peaks = peaks or listed("peaks.yaml")
    found = next((entry for entry in peaks.entries if plain(entry) == plain(name)), None)
    if found is None:
        own = "Others go into a peaks.yaml of your own (docs/costs.md)."
        raise UserError(f"no GPU {name!r} is listed in {peaks.file}.", f"{nearest(name, peaks.entries)} {own}")
    entry = peaks.entries[found]
    if not all(isinstance(entry.get(size), int | float) for size in ("tflops", "memory_gb")):
        raise UserError(f"{peaks.file}: {found} needs tflops and memory_gb.", "Both are numbers.")
    return Gpu(found, float(str(entry["tflops"])) * 1e12, float(str(entry["memory_gb"])) * GB)


def listed_flops(name: str) -> float | None:
    """Dense bfloat16 operations a second of the GPU that its driver calls so."""
    entries = listed("peaks.yaml").entries
    parts = (part for part in entries if re.search(rf"\b{re.escape(part)}\b", name, re.IGNORECASE))
    found = next(parts, None)
    return None if found is None else float(str(entries[found]["tflops"])) * 1e12
