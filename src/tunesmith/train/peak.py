"""The most a device can compute: looked up for GPUs, measured for processors."""

from __future__ import annotations

import time
from functools import cache

from tunesmith.costs.peaks import listed_flops
from tunesmith.train.device import Device

SIDE = 768  # of the square matrices multiplied
MEASURED_S = 0.04


def peak_flops(device: Device) -> float | None:
    """Operations a second at the precision of training, or None for a GPU that peaks.yaml does not tell it for.

    A processor's peak is that of a large matrix product on the threads in use, measured once in a process.
    """
    if device.name == "cpu":
        return _measured(device.bfloat16)
    import torch

    return listed_flops(torch.cuda.get_device_name()) if device.bfloat16 else None


@cache
def _measured(bfloat16: bool) -> float:
    import torch

    # Ones, not random numbers: a training's draws must not depend on whether its speed was shown.
    square = torch.ones(SIDE, SIDE, dtype=torch.bfloat16 if bfloat16 else torch.float32)
    begun, best = time.perf_counter(), float("inf")
    with torch.no_grad():
        square @ square  # the first makes the kernel
        while time.perf_counter() - begun < MEASURED_S or best == float("inf"):
            since = time.perf_counter()
            square @ square
            best = min(best, time.perf_counter() - since)
    return 2 * SIDE**3 / best
