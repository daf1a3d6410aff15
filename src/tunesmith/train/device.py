"""Where a training runs and at what precision: picked once, said once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Device:
    """A device and whether its matrix products are taken in bfloat16 (weights stay as they are)."""

    name: str
    bfloat16: bool

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the model is called."""
        import torch

        return torch.autocast(self.name, dtype=torch.bfloat16, enabled=self.bfloat16)

    @property
    def attention(self) -> str:
        """The attention kernel for short rows: on a CPU the plain one is the fastest, backward included."""
        return "eager" if self.name == "cpu" else "sdpa"

    def __str__(self) -> str:
        return f"{self.name}, {'bfloat16' if self.bfloat16 else 'float32'}"


def pick_device() -> Device:
    """The first GPU, else the CPU; bfloat16 where the hardware has it."""
    import torch

    if torch.cuda.is_available():
        return Device("cuda", torch.cuda.is_bf16_supported())
    return Device("cpu", _cpu_has_bfloat16())


def _cpu_has_bfloat16() -> bool:
    import torch

    # The public `torch.cpu.get_capabilities` reads cpuinfo; it is absent in older versions, which then use float32.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def count_parameters(model: torch.nn.Module) -> int:
    """How many weights a model has; tied ones count once."""
    return sum(weight.numel() for weight in model.parameters())
