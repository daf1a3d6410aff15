"""More than one device: the processes of a training, what they add up, and which of them writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from tunesmith.core.errors import UserError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
PATIENCE = timedelta(days=30)  # what comes before a training may take long; a process that dies ends the others at once


@dataclass(frozen=True)
class Devices:
    """One process a device: this one's number, and how many there are."""

    rank: int = 0
    world: int = 1
    shard: bool = False  # weights, gradients and optimizer in shards (FSDP2); else a copy on each device (DDP)

    @property
    def is_main(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    @property
    def kind(self) -> str:
        """How the weights lie: alone, ddp or fsdp."""
        return "alone" if self.world == 1 else "fsdp" if self.shard else "ddp"

    def mark(self, fingerprint: str) -> str:
        """The fingerprint of a training on these devices: another number of them rounds sums differently."""
        return fingerprint if self.world == 1 else f"{fingerprint}-{self.kind}{self.world}"

    def added(self, numbers: Mapping[str, torch.Tensor | float]) -> dict[str, float]:
        """Numbers summed over all processes; every process gets the same sums."""
        import torch

        if self.world == 1:
            return {name: float(number) for name, number in numbers.items()}
        tensors = [number for number in numbers.values() if isinstance(number, torch.Tensor)]
        device = tensors[0].device if tensors else torch.device("cpu")
        each = [torch.as_tensor(number, dtype=torch.float64, device=device) for number in numbers.values()]
        summed = torch.stack(each)
        torch.distributed.all_reduce(summed)
        return dict(zip(numbers, summed.tolist(), strict=True))

    def check_same(self, what: str, number: float) -> None:
        """Raise UserError unless all processes have this number."""
        if self.world == 1:
            return
        import torch

        found: list[float] = [0.0] * self.world
        torch.distributed.all_gather_object(found, number)
        if len(set(found)) > 1:
            raise UserError(
                f"The processes of this training disagree about {what}: {', '.join(f'{one:g}' for one in found)}.",
                "They must see the same workspace: put it on a disk that all machines share.",
            )


ALONE = Devices()
_here = ALONE


def here() -> Devices:
    """The devices that this process trains with."""
    return _here


def dealt(parts: Iterable[T], devices: Devices) -> Iterator[tuple[list[T], T, bool, bool]]:
    """Parts of a batch for one process, each with the parts of all, whether it only stands in, and whether it is last.

    Parts are dealt out one a process, so that each has as many of them; where they run out, a process takes another's
    part, which must not count.
    """
    waiting = iter(parts)
    group = list(islice(waiting, devices.world))
    while group:
        after = list(islice(waiting, devices.world))
        idle = devices.rank >= len(group)
        yield group, group[0 if idle else devices.rank], idle, not after
        group = after


@dataclass(frozen=True)
class Launched:
    """What a launcher (torchrun, accelerate launch) says in the environment of each process that it starts."""

    rank: int = 0
    world: int = 1
    on_this_machine: int = 1
    shard: bool = False


# What accelerate's launcher can ask for and a training here does not do: better refused than silently left out.
_REFUSED = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism configuration",
    "FSDP_OFFLOAD_PARAMS": "FSDP with weights kept in the memory of the CPU",
}


def launched(environment: Mapping[str, str]) -> Launched:
    """The processes that a launcher set up, or one alone; raises UserError for what would not be done."""
    number = {name: int(environment.get(name, "") or usual) for name, usual in _NUMBERS.items()}
    shard = _true(environment, "ACCELERATE_USE_FSDP")
    for name, what in _REFUSED.items():
        if _true(environment, name):
            raise UserError(
                f"{what} was asked for ({name}), but a training here does not do it.",
                "Use plain processes (--processes N), or FSDP 2 (--shard).",
            )
    if shard and environment.get("FSDP_VERSION", "2") != "2":
        raise UserError(
            f"FSDP {environment['FSDP_VERSION']} was asked for, but a training here shards with FSDP 2 only.",
            "Set fsdp_version: 2 in the configuration of accelerate.",
        )
    check_shard(shard, number["WORLD_SIZE"])
    if number["WORLD_SIZE"] > 1 and environment.get("MASTER_PORT") == "0":
        raise UserError(
            "The launcher gave its processes MASTER_PORT 0, where they would wait for one another for ever.",
            "Name a free port, or give torchrun --standalone.",
        )
    return Launched(number["RANK"], number["WORLD_SIZE"], number["LOCAL_WORLD_SIZE"], shard)


_NUMBERS = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 1}


def _true(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() in ("1", "true", "yes")


def check_shard(shard: bool, world: int) -> None:
    """Raise UserError where shards are asked for and there is one process alone."""
    if shard and world < 2:
        raise UserError(
            "FSDP was asked for, but there is one process, which would hold all shards.",
            "Start more processes (--processes N), or leave out --shard.",
        )


def join(*, rank: int, world: int, shard: bool, store: object = None) -> Devices:
    """Meet the other processes of this training (gloo between CPUs, NCCL between GPUs); waits for all of them.

    Without a store they meet at MASTER_ADDR and MASTER_PORT, as launchers set them. Raises UserError where there are
    more processes than GPUs.
    """
    import torch

    global _here
    place: dict[str, Any] = {"rank": rank, "world_size": world} | ({"store": store} if store else {})
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"  # orders to the other processes go by gloo: waiting takes no GPU
        torch.cuda.set_device(_gpu(torch.cuda.device_count()))
    torch.distributed.init_process_group(backend, timeout=PATIENCE, **place)
    _here = Devices(rank, world, shard)
    return _here


def _gpu(count: int) -> int:
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if local >= count:
        raise UserError(
            f"Process {local + 1} of this machine has no GPU: there are {count}.",
            f"Start at most {count} processes a machine, or hide the GPUs (CUDA_VISIBLE_DEVICES=) to train on its CPU.",
        )
    return local


def leave() -> None:
    """Part from the other processes."""
    import torch

    global _here
    _here = ALONE
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def broadcast(value: T | None) -> T | None:
    """What the main process says, in every process."""
    import torch

    said: list[T | None] = [value]
    torch.distributed.broadcast_object_list(said, src=0, device=torch.device("cpu"))
    return said[0]
