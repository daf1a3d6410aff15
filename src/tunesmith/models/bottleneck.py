"""Bottleneck adapters: a small network after a layer's sublayers, its output added to theirs.

Houlsby et al. 2019 (arXiv 1902.00751) put one after attention and one after feed-forward, before each is added to the
residual stream; Pfeiffer et al. 2020 (arXiv 2005.00247) found one after the feed-forward to be enough. PEFT has
neither: `Bottlenecked` has the faces of its PeftModel that are used here. It needs torch, so it is imported where it is
used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch

from tunesmith.core.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ATTENTION, FEED_FORWARD = "attention", "feed_forward"
PLACES = {"houlsby": (ATTENTION, FEED_FORWARD), "pfeiffer": (FEED_FORWARD,)}
SUBLAYERS = {  # what architectures call them
    ATTENTION: ("self_attn", "attn", "attention", "self_attention"),
    FEED_FORWARD: ("mlp", "feed_forward", "ffn", "block_sparse_moe", "moe"),
}
ACTIVATIONS = {"relu": torch.nn.ReLU, "gelu": torch.nn.GELU, "silu": torch.nn.SiLU, "tanh": torch.nn.Tanh}


@dataclass(frozen=True)
class BottleneckConfig:
    """The shape of a bottleneck adapter; its units are the width of the hidden states divided by `reduction`."""

    reduction: int
    places: str  # of PLACES
    activation: str  # of ACTIVATIONS
    dropout: float

    is_prompt_learning: ClassVar[bool] = False

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> BottleneckConfig:
        """The shape that `to_dict` wrote."""
        return cls(**{field.name: given[field.name] for field in fields(cls)})

    def to_dict(self) -> dict[str, object]:
        """What an adapter folder keeps of it."""
        return {**asdict(self), "peft_type": "BOTTLENECK"}


class Bottleneck(torch.nn.Module):
    """hidden + up(activation(down(hidden))), in float32 where no autocast says otherwise; it starts as the identity."""

    def __init__(self, width: int, config: BottleneckConfig) -> None:
        super().__init__()
        units = max(1, width // config.reduction)
        self.down = torch.nn.Linear(width, units, dtype=torch.float32)
        self.activation = ACTIVATIONS[config.activation]()
        self.dropout = torch.nn.Dropout(config.dropout)
        self.up = torch.nn.Linear(units, width, dtype=torch.float32)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            torch.nn.init.zeros_(zero)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states of any shape [..., width]; gives the same shape and type."""
        units = self.dropout(self.activation(self.down(hidden.to(self.down.weight.dtype))))
        return hidden + cast("torch.Tensor", self.up(units)).to(hidden.dtype)


class Bottlenecked(torch.nn.Module):
    """A frozen model with bottleneck adapters by name, of which one is active, or each row's own.

    The adapters are modules of the model's layers, and hooks on the sublayers call them: the names of the model's own
    weights stay as they are. Raises UserError for a model without layers that have the sublayers as modules.
    """

    def __init__(self, core: PreTrainedModel) -> None:
        super().__init__()
        self.core = core.requires_grad_(False)
        self.peft_config: dict[str, BottleneckConfig] = {}
        self._layers = _layers_of(core)
        self._active = ""
        self._enabled = True
        self._rows: Sequence[str] | None = None  # the adapter of each row of a batch

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the model has
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "core":
                raise
            return getattr(self.core, name)

    def forward(self, *given: object, adapter_names: Sequence[str] | None = None, **named: object) -> object:
        """The model's forward pass; of `adapter_names`, one a row, those that are no adapter's leave the row alone."""
        with self._of_rows(adapter_names):
            return self.core(*given, **named)

    def generate(self, *given: object, adapter_names: Sequence[str] | None = None, **named: object) -> object:
        """The model's own, with an adapter for each row."""
        with self._of_rows(adapter_names):
            return cast("Any", self.core).generate(*given, **named)

    @property
    def active_peft_config(self) -> BottleneckConfig:
        """The shape of the adapter that is active."""
        return self.peft_config[self._active]

    def get_base_model(self) -> PreTrainedModel:
        """The model with the adapters inside and nothing around it."""
        return self.core

    def get_nb_trainable_parameters(self) -> tuple[int, int]:
        """How many weights move, and how many there are."""
        every = list(self.parameters())
        return sum(one.numel() for one in every if one.requires_grad), sum(one.numel() for one in every)

    def add_adapter(self, name: str, config: BottleneckConfig, *, trainable: bool = False) -> None:
        """Add an adapter, which is the identity at first, and make it the active one."""
        width = int(self.core.config.get_text_config().hidden_size)
        for place in PLACES[config.places]:
            for layer in self._layers:
                self._beside(layer, place)[name] = Bottleneck(width, config).to(self.core.device)
        self.peft_config[name] = config
        self.set_adapter(name)
        for _, module in self.adapters(name):
            module.requires_grad_(trainable)

    def set_adapter(self, name: str) -> None:
        """Make an adapter the active one."""
        self._active = name

    def delete_adapter(self, name: str) -> None:
        """Drop an adapter that is not the active one."""
        for place in PLACES[self.peft_config.pop(name).places]:
            for layer in self._layers:
                del self._beside(layer, place)[name]

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """The model as it is without adapters."""
        self._enabled = False
        try:
            yield
        finally:
            self._enabled = True

    def adapters(self, name: str) -> Iterator[tuple[str, torch.nn.Module]]:
        """The modules of an adapter, each with where it is."""
        for number, layer in enumerate(self._layers):
            for place in PLACES[self.peft_config[name].places]:
                yield f"layers.{number}.{place}", self._beside(layer, place)[name]

    def weights_of(self, name: str) -> dict[str, torch.Tensor]:
        """The weights of an adapter by name."""
        return {
            f"{where}.{weight}": tensor
            for where, module in self.adapters(name)
            for weight, tensor in module.named_parameters()
        }

    def load(self, name: str, weights: Mapping[str, torch.Tensor]) -> list[str]:
        """Give an adapter these weights; names those that do not fit, and does nothing where there are some."""
        own = self.weights_of(name)
        there = own.keys() & weights.keys()
        wrong = (own.keys() ^ weights.keys()) | {one for one in there if own[one].shape != weights[one].shape}
        if not wrong:
            with torch.no_grad():
                for one, tensor in own.items():
                    tensor.copy_(weights[one])
        return sorted(wrong)

    @contextmanager
    def _of_rows(self, names: Sequence[str] | None) -> Iterator[None]:
        self._rows = names
        try:
            yield
        finally:
            self._rows = None

    def _beside(self, layer: torch.nn.Module, place: str) -> torch.nn.ModuleDict:
        """The adapters at a place of a layer by name; with the first of them comes the hook that calls them."""
        called = f"bottleneck_{place}"
        if called not in layer._modules:
            sublayer = _sublayer(layer, place)
            if sublayer is None:
                raise _misfit(self.core, f"a layer without {place.replace('_', '-')} as a module of its own")
            layer.add_module(called, torch.nn.ModuleDict())
            sublayer.register_forward_hook(partial(self._after, layer.get_submodule(called)))
        return cast("torch.nn.ModuleDict", layer.get_submodule(called))

    def _after(self, beside: torch.nn.Module, _: object, __: object, made: Any) -> object:  # noqa: ANN401  # a tuple or not
        adapters = cast("torch.nn.ModuleDict", beside)
        if isinstance(made, tuple):  # hidden states, and attention's scores or a router's
            return (self._changed(adapters, made[0]), *made[1:])
        return self._changed(adapters, made)

    def _changed(self, adapters: torch.nn.ModuleDict, hidden: torch.Tensor) -> torch.Tensor:
        """A sublayer's hidden states [..., width], changed by the active adapter or by each row's own."""
        if self._rows is None:
            active = self._enabled and self._active in adapters
            return cast("torch.Tensor", adapters[self._active](hidden)) if active else hidden
        rows = hidden.reshape(len(self._rows), -1, hidden.shape[-1])
        changed = rows.clone()
        for name in sorted(set(self._rows) & adapters.keys()):
            at = [row for row, other in enumerate(self._rows) if other == name]
            changed[at] = adapters[name](rows[at])
        return changed.view_as(hidden)


def _layers_of(core: PreTrainedModel) -> list[torch.nn.Module]:
    """The decoder layers of a model, whatever its architecture calls them."""
    count = core.config.get_text_config().num_hidden_layers
    for module in cast("torch.nn.Module", core.base_model).modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            layers = list(module)
            if all(_sublayer(layer, FEED_FORWARD) is not None for layer in layers):
                return layers
    raise _misfit(core, "no list of layers with the feed-forward as a module of its own")


def _sublayer(layer: torch.nn.Module, place: str) -> torch.nn.Module | None:
    return next((layer._modules[name] for name in SUBLAYERS[place] if layer._modules.get(name) is not None), None)


def _misfit(core: PreTrainedModel, why: str) -> UserError:
    problem = f"A bottleneck adapter does not fit this model: {type(core).__name__} has {why}."
    return UserError(problem, "Take another kind, such as lora.")
