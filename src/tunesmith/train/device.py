"""Where a training runs and at what precision: picked once, said once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunesmith.core.errors import UserError
from tunesmith.costs.memory import Precision, precision_that_fits
from tunesmith.train.job import Computed

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Device:
    """A device, whether its matrix products are taken in bfloat16, and in what the weights are kept.

    Mixed precision is bfloat16 products of float32 weights: no small step of the optimizer is lost in rounding. An
    adapter's own weights are float32 in each.
    """

    name: str
    bfloat16: bool
    weights: Literal["float32", "bfloat16"] = "float32"

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the model is called."""
        import torch

        return torch.autocast(self.name, dtype=torch.bfloat16, enabled=self.bfloat16)

    @property
    def memory(self) -> int | None:
        """Bytes of a GPU's memory; a processor's is not counted."""
        import torch

        return None if self.name == "cpu" else torch.cuda.get_device_properties(self.name).total_memory

    def at(self, precision: str) -> Device:
        """The device at this precision."""
        return Device(self.name, precision != "float32", "bfloat16" if precision == "bfloat16" else "float32")

    @property
    def precision(self) -> Precision:
        """What `at` was called with."""
        if not self.bfloat16:
            return "float32"
        return "bfloat16" if self.weights == "bfloat16" else "mixed"

    def __str__(self) -> str:
        return f"{self.name}, {'bfloat16' if self.bfloat16 else 'float32'}"


def pick_device() -> Device:
    """The first GPU, else the CPU; bfloat16 where it is the faster."""
    import torch

    if torch.cuda.is_available():
        return Device("cuda", torch.cuda.is_bf16_supported(including_emulation=False))
    # The public `torch.cpu.get_capabilities` reads cpuinfo; it is absent in older versions, which then use float32.
    return Device("cpu", bfloat16_pays(getattr(torch.cpu, "get_capabilities", dict)())[0])


def usual_precision(device: Device, parameters: int, *, adapter: bool) -> Computed:
    """The precision for a model of so many parameters: float32, mixed, or bfloat16 weights as well; and why."""
    import torch

    memory = device.memory
    if memory is None:
        pays, why = bfloat16_pays(getattr(torch.cpu, "get_capabilities", dict)())
        return Computed("mixed" if pays else "float32", why)
    return gpu_precision(device, parameters, memory, adapter=adapter)


def gpu_precision(device: Device, parameters: int, memory: int, *, adapter: bool) -> Computed:
    """The precision on a GPU of so many bytes."""
    if not device.bfloat16:
        return Computed("float32", "the GPU has no bfloat16 products")
    return Computed(*precision_that_fits(parameters, memory, adapter=adapter))


def checked(device: Device, precision: Precision) -> Device:
    """The device at a precision that was asked for."""
    if device.name != "cpu" and precision != "float32" and not device.bfloat16:
        raise UserError("This GPU has no bfloat16 products.", "Leave precision out, or give precision: float32.")
    return device.at(precision)


def bfloat16_pays(capabilities: Mapping[str, object]) -> tuple[bool, str]:
    """Whether bfloat16 is faster than float32 on a processor with these capabilities, and why.

    A rule and no measurement, as a training repeats to the byte only at the same precision. Products of the sizes of
    small models, one thread: an AMD EPYC 376-425 against 49-83 GFLOPS in float32, an Intel Xeon without AMX 80-85
    against 140-170 (docs/speed.md).
    """
    if capabilities.get("amx_bf16"):
        return True, "the processor has AMX tiles for bfloat16"
    if not capabilities.get("avx512_bf16"):
        return False, "the processor has no bfloat16 products"
    if "amd" in str(capabilities.get("cpu_name", "")).lower():
        return True, "the processor has AVX-512 products of bfloat16"
    return False, "bfloat16 products are slower than float32's on Intel processors without AMX"


def count_parameters(model: torch.nn.Module) -> int:
    """How many weights a model has; tied ones count once."""
    return sum(weight.numel() for weight in model.parameters())
