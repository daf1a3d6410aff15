"""What machine a run was on: for run.json and benchmarks, never for a KEY."""

from __future__ import annotations

import os
import platform
from importlib.metadata import distributions
from pathlib import Path

from tunesmith.core.executor import usable_cores

TOLD = ("torch", "transformers", "tokenizers", "pyarrow", "numpy", "scipy", "tunesmith")


def describe_machine() -> dict[str, object]:
    """Processor, cores, memory, Python and the versions of the packages that matter."""
    versions = {dist.metadata["Name"]: dist.version for dist in distributions() if dist.metadata["Name"] in TOLD}
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": dict(sorted(versions.items())),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
