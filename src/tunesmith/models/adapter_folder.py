"""An adapter folder: what it was trained on, and how it is put on its base again.

It holds PEFT's own two files, so that PEFT and engines that read its adapters load it, and `base.json`: the kind of
adapter, and the fingerprint of the base whose weights it belongs to. A bottleneck adapter, which PEFT does not know,
has files of the same names.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tunesmith.core.errors import UserError

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

    from tunesmith.models.bottleneck import Bottlenecked

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
BASE = "base.json"
DEFAULT = "default"  # PEFT's name for an only adapter
BOTTLENECK = "bottleneck"
VIRTUAL = ("prefix", "prompt")  # kinds that put virtual tokens before a row and leave all weights as they are
STRETCHES, STRETCH = 64, 65_536  # how many parts of a weights file its fingerprint reads, and their bytes


@dataclass(frozen=True)
class AdapterFolder:
    """A folder with an adapter: its kind, and the folder of the base that it belongs to."""

    folder: Path
    kind: str
    base: Path


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter."""
    return (folder / CONFIG).is_file()


def kind_of(folder: Path) -> str:
    """The kind of adapter in a folder, as recipes name it; raises UserError for one that no recipe names."""
    beside = folder / BASE
    if beside.is_file():
        return str(json.loads(beside.read_text("utf-8"))["kind"])
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    named = {
        "LORA": "lora",
        "IA3": "ia3",
        "PREFIX_TUNING": "prefix",
        "PROMPT_TUNING": "prompt",
        "BOTTLENECK": BOTTLENECK,
    }
    kind = named.get(str(config.get("peft_type")))
    if kind is None:
        raise UserError(f"{folder}: adapters of type {config.get('peft_type')} are not known.", ", ".join(named))
    if kind == "lora":
        return "dora" if config.get("use_dora") else "rslora" if config.get("use_rslora") else "lora"
    return kind


def read_adapter(folder: Path, *, base: Path | None = None) -> AdapterFolder:
    """An adapter and its base (as the folder says, or the given one).

    Raises UserError where the base is not there, or is not the one that the adapter was trained on.
    """
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    given = str(config.get("base_model_name_or_path"))
    place = base if base is not None else (folder.resolve() / given).resolve()
    if not (place / "config.json").is_file():
        raise UserError(
            f"The base of the adapter {folder} is not there: {given}.",
            "Put the base's folder back, or export the adapter merged where it is there: tunesmith export --as merged",
        )
    beside = folder / BASE
    if beside.is_file() and json.loads(beside.read_text("utf-8"))["fingerprint"] != fingerprint(place):
        raise UserError(
            f"The base of the adapter {folder} has changed: {place.name} has other weights than it was trained on.",
            "Put the former base back, or train the adapter again.",
        )
    return AdapterFolder(folder, kind_of(folder), place)


def fingerprint(base: Path) -> str:
    """What tells a base from another: a hash of its config and of stretches all over its weights (4 MB of each file).

    Other training changes every stretch; a few bytes changed by hand between them are not seen.
    """
    digest = hashlib.sha256((base / "config.json").read_bytes())
    for path in sorted(base.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            for part in range(STRETCHES):
                file.seek(max(0, size - STRETCH) * part // (STRETCHES - 1))
                digest.update(file.read(STRETCH))
    return digest.hexdigest()


def write_adapter(out: Path, model: PeftModel, *, kind: str, base: Path, home: Path) -> None:
    """Write an adapter so that the same adapter is the same bytes; `home` is where `out` will lie in the end."""
    from safetensors.torch import save_file

    config = {
        **model.active_peft_config.to_dict(),
        "base_model_name_or_path": os.path.relpath(base.resolve(), home.resolve()),
        "inference_mode": True,
    }
    # sets of names, as PEFT keeps them, have another order in each process
    (out / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True, default=sorted) + "\n", "utf-8")
    told = {"fingerprint": fingerprint(base), "kind": kind}
    (out / BASE).write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", "utf-8")
    save_file(
        {name: weight.detach().cpu().contiguous() for name, weight in _weights_of(model, kind).items()},
        out / WEIGHTS,
        metadata={"format": "pt"},
    )


def _weights_of(model: PeftModel, kind: str) -> Mapping[str, torch.Tensor]:
    """The weights of the only adapter of a model, by the names they have in its file."""
    if kind == BOTTLENECK:
        return cast("Bottlenecked", model).weights_of(DEFAULT)
    from peft import get_peft_model_state_dict

    # said outright: left to itself PEFT looks the base up, on the network if need be
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    return cast("Mapping[str, torch.Tensor]", weights)


def put_on(
    model: PreTrainedModel | PeftModel, adapter: AdapterFolder, *, name: str = DEFAULT, trainable: bool = False
) -> PeftModel:
    """The model with a stored adapter on it, added under a name where it has others of its family already."""
    if adapter.kind == BOTTLENECK:
        return _put_bottleneck(model, adapter, name, trainable=trainable)
    from peft import PeftConfig, set_peft_model_state_dict
    from peft import PeftModel as Adapted
    from safetensors.torch import load_file

    config = PeftConfig.from_pretrained(str(adapter.folder))
    config.inference_mode = not trainable
    config.base_model_name_or_path = model.name_or_path  # PEFT warns of any other name
    if isinstance(model, Adapted):
        model.add_adapter(name, config)
    else:
        model = wrap(model, config, name=name)
    weights = load_file(adapter.folder / WEIGHTS)
    try:
        found = set_peft_model_state_dict(model, weights, adapter_name=name)
    except RuntimeError as error:  # torch's word for weights of another shape
        raise UserError(f"{adapter.folder}: its weights do not fit the base.", str(error)) from error
    if adapter.kind not in VIRTUAL:
        _check_fit(adapter, _wrong(found, name))
    return model if trainable else model.eval()


def _put_bottleneck(
    model: PreTrainedModel | PeftModel, adapter: AdapterFolder, name: str, *, trainable: bool
) -> PeftModel:
    from safetensors.torch import load_file

    from tunesmith.models.bottleneck import BottleneckConfig, Bottlenecked

    config = BottleneckConfig.from_dict(json.loads((adapter.folder / CONFIG).read_text("utf-8")))
    adapted = model if isinstance(model, Bottlenecked) else Bottlenecked(cast("PreTrainedModel", model))
    adapted.add_adapter(name, config, trainable=trainable)
    _check_fit(adapter, adapted.load(name, load_file(adapter.folder / WEIGHTS)))
    return cast("PeftModel", adapted if trainable else adapted.eval())


def _check_fit(adapter: AdapterFolder, wrong: Sequence[str]) -> None:
    if wrong:
        raise UserError(f"{adapter.folder}: its weights do not fit the base, such as {wrong[0]}.", "Is it its base?")


def _wrong(found: Any, name: str) -> list[str]:  # noqa: ANN401  # what torch says after loading
    """Weights that the model does not take, and those of the adapter that were not there."""
    return [*found.unexpected_keys, *(key for key in found.missing_keys if f".{name}." in key)]


def wrap(model: PreTrainedModel, config: object, *, name: str = DEFAULT) -> PeftModel:
    """The model with a new adapter of a configuration, PEFT's or our own."""
    from peft import get_peft_model

    from tunesmith.models.bottleneck import BottleneckConfig, Bottlenecked

    if isinstance(config, BottleneckConfig):
        adapted = Bottlenecked(model)
        adapted.add_adapter(name, config, trainable=True)
        return cast("PeftModel", adapted)

    with warnings.catch_warnings():  # PEFT 0.21 asks by the former name; transformers 5 answers, and warns
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        return cast("PeftModel", get_peft_model(cast("Any", model), config, adapter_name=name))


def load_base(folder: Path, *, four_bit: bool = False, dtype: object = None) -> PreTrainedModel:
    """A model folder's model; with `four_bit` its linear layers are kept in 4-bit NormalFloat (QLoRA, 2305.14314)."""
    import torch
    from transformers import AutoModelForCausalLM

    if not four_bit:
        loaded = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=dtype)
        return cast("PreTrainedModel", loaded)
    check_four_bit()
    from transformers import BitsAndBytesConfig

    there = torch.cuda.is_available()
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if there and torch.cuda.is_bf16_supported() else torch.float32,
    )
    loaded = AutoModelForCausalLM.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        dtype=torch.float32,
        quantization_config=config,
        device_map={"": "cuda" if there else "cpu"},
    )
    for module in loaded.modules():
        # On a CPU bitsandbytes repacks weights when first asked without gradients and rounds their scales for good: the
        # base would change with the first validation, and a resumed training end with other bytes.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return cast("PreTrainedModel", loaded)


def has_bits() -> bool:
    """Whether bitsandbytes is installed."""
    return find_spec("bitsandbytes") is not None


def check_four_bit() -> None:
    """Raise UserError where bitsandbytes is not installed."""
    if not has_bits():
        raise UserError(
            "A base in 4 bits (qlora) needs bitsandbytes, which is not installed.",
            "pip install bitsandbytes, or train a lora adapter: without 4 bits it needs no more packages.",
        )
