"""How a model lies on the devices of a training: alone, a copy on each (DDP), or in shards (FSDP2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tunesmith.core.errors import UserError
from tunesmith.train.devices import Devices

if TYPE_CHECKING:
    import torch
    from torch.distributed import GradBucket  # type: ignore[attr-defined]  # torch does not say that it is public
    from transformers import PreTrainedModel

T = TypeVar("T")


class Alone:
    """One device: everything is as it is."""

    def call(self, work: Callable[[], T]) -> T:
        """Run what calls the model and is to be gone back through."""
        return work()

    def measure(self, work: Callable[[], T]) -> T:
        """Run what calls the model and only looks."""
        return work()

    def exchanging(self, last: bool) -> AbstractContextManager[object]:
        """The context of a part: gradients are exchanged in the last part of a step."""
        return nullcontext()

    def whole(self, value: T) -> T:
        """Weights, or a tree of them, as one device would hold them."""
        return value

    def placed(self, weights: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Whole weights by name, as they lie here."""
        return weights

    def placed_state(self, state: dict[str, Any], weights: list[torch.nn.Parameter]) -> dict[str, Any]:
        """The whole state of an optimizer of these weights, as it lies here."""
        return state

    def end(self) -> None:
        """Leave the model whole in the main process."""


class Copies(Alone):
    """A copy on each device, gradients summed (Li et al. 2020, arXiv 2006.15704)."""

    def __init__(self, model: PreTrainedModel) -> None:
        from torch.nn.parallel import DistributedDataParallel

        # With find_unused_parameters torch keeps its buckets as they are. Otherwise it sorts them anew after the first
        # step, which a resumed training would do at another step: sums of three and more would round differently.
        self.wrapped = DistributedDataParallel(
            _caller(model), find_unused_parameters=True, gradient_as_bucket_view=True
        )
        self.wrapped.register_comm_hook(None, lambda _, bucket: _sum(bucket))

    def call(self, work: Callable[[], T]) -> T:
        """Run what calls the model, so that gradients are exchanged on the way back."""
        return cast(T, self.wrapped(work))

    def exchanging(self, last: bool) -> AbstractContextManager[object]:
        """Gradients of all parts but the last wait for it."""
        return nullcontext() if last else self.wrapped.no_sync()


def _sum(bucket: GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Gradients are summed, not averaged: each part gives its share of the whole batch's loss."""
    import torch

    work = torch.distributed.all_reduce(bucket.buffer(), async_op=True)
    return cast("torch.futures.Future[torch.Tensor]", work.get_future().then(lambda done: done.value()[0]))


class Shards(Alone):
    """Weights, gradients and optimizer in shards; a layer is whole only while it works (FSDP2, fully_shard)."""

    def __init__(self, model: PreTrainedModel, devices: Devices) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FSDPModule, fully_shard

        self.model = model
        self.devices = devices
        device = next(model.parameters()).device.type
        mesh = init_device_mesh(device, (devices.world,))
        self.root = cast("FSDPModule", _caller(model))
        for module in [*_layers(model), cast("torch.nn.Module", self.root)]:
            sharded = fully_shard(module, mesh=mesh)
            sharded.set_gradient_divide_factor(1.0)  # a sum: each part gives its share of the whole batch's loss
            sharded.set_force_sum_reduction_for_comms(True)
        check_sharded(model)

    def call(self, work: Callable[[], T]) -> T:
        """Run what calls the model; weights are gathered on the way, gradients scattered on the way back."""
        return cast(T, cast("Callable[..., object]", self.root)(work))

    def measure(self, work: Callable[[], T]) -> T:
        """Run what calls the model and only looks; afterwards it lies in shards again."""
        import torch

        with torch.no_grad():
            found = self.call(work)
        self.root.reshard()
        return found

    def whole(self, value: T) -> T:
        """Weights, or a tree of them, as one device would hold them: on the CPU, in the main process only."""
        return cast(T, self._whole(value, {}))

    def _whole(self, value: object, seen: dict[int, object]) -> object:
        from torch.distributed.tensor import DTensor

        if isinstance(value, dict):
            return {key: self._whole(item, seen) for key, item in value.items()}
        if not isinstance(value, DTensor):
            return value
        if id(value) not in seen:  # tied weights stay one
            full = value.full_tensor().detach()
            seen[id(value)] = full.cpu() if self.devices.is_main else full.to("meta")
        return seen[id(value)]

    def placed(self, weights: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Whole weights by name, each as this process's shard."""
        likes = self.model.state_dict()
        return {name: _shard_of(weight, likes[name]) for name, weight in weights.items()}

    def placed_state(self, state: dict[str, Any], weights: list[torch.nn.Parameter]) -> dict[str, Any]:
        """The whole state of an optimizer of these weights, as this process's shards."""
        own = {
            number: {
                name: _shard_of(item, weights[number]) if item.shape == weights[number].shape else item
                for name, item in items.items()
            }
            for number, items in state["state"].items()
        }
        return {**state, "state": own}

    def end(self) -> None:
        """Leave the model whole in the main process (on the CPU); without weights in the others."""
        import torch

        self.root.reshard()
        seen: dict[int, object] = {}
        for module in cast("torch.nn.Module", self.root).modules():
            _forget_shards(module)
            for name, weight in list(module.named_parameters(recurse=False)):
                if id(weight) not in seen:
                    tensor = cast("torch.Tensor", self._whole(weight, {}))
                    # The old one is kept as well: its id must not be given to another while this goes on.
                    seen[id(weight)] = (torch.nn.Parameter(tensor, requires_grad=weight.requires_grad), weight)
                setattr(module, name, cast("tuple[torch.nn.Parameter, object]", seen[id(weight)])[0])


def laid_out(model: PreTrainedModel, devices: Devices) -> Alone:
    """The model laid out on the devices, before an optimizer is made for it."""
    if devices.world == 1:
        return Alone()
    return Shards(model, devices) if devices.shard else Copies(model)


def check_sharded(model: torch.nn.Module) -> None:
    """Raise UserError unless every weight lies in shards: FSDP that is none would go unnoticed."""
    from torch.distributed.tensor import DTensor

    plain = [name for name, weight in model.named_parameters() if not isinstance(weight, DTensor)]
    if plain:
        raise UserError(
            f"FSDP was asked for, but {len(plain)} weights are not in shards, {plain[0]} among them.",
            "Leave out --shard: then each device holds a copy.",
        )


def _caller(model: PreTrainedModel) -> torch.nn.Module:
    """A module whose forward runs any work on the model: losses call its body and its head apart."""
    import torch

    class Caller(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, work: Callable[[], object]) -> object:
            return work()

    return Caller()


def _layers(model: PreTrainedModel) -> list[torch.nn.Module]:
    """The layers of a model, as its architecture names what must stay together."""
    core = model.get_base_model() if hasattr(model, "peft_config") else model
    names = set(getattr(core, "_no_split_modules", None) or ())
    return [module for module in core.modules() if type(module).__name__ in names]


def _shard_of(whole: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor) or isinstance(whole, DTensor):
        return whole
    there = whole.to(like.device)
    return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None)


def _forget_shards(module: torch.nn.Module) -> None:
    """Take away what fully_shard hung on a module; torch has no call for it."""
    from torch.distributed.fsdp import FSDPModule

    if isinstance(module, FSDPModule):
        state = module._get_fsdp_state()
        state._pre_forward_hook_handle.remove()
        state._post_forward_hook_handle.remove()
