"""An adapter merged into its base: a plain model folder, believed only after its logits were compared."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tunesmith.core.artifact import MANIFEST
from tunesmith.core.errors import UserError
from tunesmith.models.adapter_folder import (
    BASE,
    BOTTLENECK,
    CONFIG,
    VIRTUAL,
    WEIGHTS,
    AdapterFolder,
    has_bits,
    load_base,
    put_on,
    read_adapter,
)
from tunesmith.models.base import Chat
from tunesmith.models.chat import render_all
from tunesmith.models.generation import left_padded, logits_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

MOST = 1e-3  # of the largest logit: what merging may change in float32
OF_ADAPTER = (CONFIG, WEIGHTS, BASE, MANIFEST, "curve.json")  # files that the merged model has no use for
ROWS, TOKENS = 8, 64  # compared at most; logits of a large vocabulary take a megabyte a token
USUAL: tuple[Chat, ...] = (
    [{"role": "user", "content": "What is this about?"}, {"role": "assistant", "content": "It is about one thing."}],
    [{"role": "user", "content": "Name three colours."}, {"role": "assistant", "content": "Red, green and blue."}],
)


@dataclass(frozen=True)
class Merged:
    """What merging changed on some rows: largest differences between logits, as shares of the largest logit."""

    rows: int
    float32: float  # by merging alone
    written: float  # by merging, and rounding to the numbers that the base is stored in
    dtype: str
    from_four_bit: float | None = None  # to the model as it was trained, where that was on a base in 4 bits

    def __str__(self) -> str:
        """The numbers, for people."""
        four = "" if self.from_four_bit is None else f", and {self.from_four_bit:.1e} from the 4-bit model it was"
        return (
            f"on {self.rows} rows logits differ by at most {self.float32:.1e} of the largest after merging, by "
            f"{self.written:.1e} as stored in {self.dtype}{four}"
        )

    def as_facts(self) -> dict[str, object]:
        """The numbers, for a manifest."""
        return asdict(self)


def merge_adapter(folder: Path, out: Path, *, chats: Sequence[Chat] = USUAL) -> Merged:
    """Write the model that an adapter and its base are together, with the adapter's tokenizer and decoding settings.

    The logits on `chats` are compared before, after merging, and as read back from `out`. Raises UserError for kinds
    that are not weights of the base, and where merging changes logits by more than 1e-3 of the largest; `out` is then
    not there. An adapter trained on a base in 4 bits is merged into the base in full: merging into 4 bits rounds away
    what it learnt.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    adapter = read_adapter(folder)
    check_mergeable(adapter.kind)
    compared = _Rows(folder, chats)
    four_bit = compared.logits(_adapted(adapter, four_bit=True)) if adapter.kind == "qlora" and has_bits() else None
    stored = cast("torch.dtype", load_base(adapter.base, dtype="auto").dtype)
    adapted = _adapted(adapter)
    before = compared.logits(adapted)
    merged = cast("Any", adapted).merge_and_unload(safe_merge=True)
    in_float32 = _share(before, compared.logits(merged))
    if not in_float32 <= MOST:
        raise UserError(
            f"Merging {folder} changes logits by {in_float32:.1e} of the largest; {MOST:.0e} is the most that rounding"
            " explains.",
            "Export it as an adapter: --as adapter",
        )
    _write(merged.to(stored), folder, out)
    after = compared.logits(load_base(out, dtype=torch.float32))
    kept = None if four_bit is None else _share(four_bit, before)
    return Merged(len(compared), in_float32, _share(before, after), str(stored).removeprefix("torch."), kept)


def check_mergeable(kind: str) -> None:
    """Raise UserError for a kind of adapter that no weights of a base can stand for."""
    why = {
        **dict.fromkeys(VIRTUAL, "its virtual tokens are no weights of the base"),
        BOTTLENECK: "its non-linear layers lie between the layers of the base, and no weights of the base do the same",
    }
    if kind in why:
        raise UserError(
            f"A {kind} adapter cannot be merged: {why[kind]}.",
            "Export it as an adapter, and keep its base: --as adapter. Only low-rank adapters and ia3 are merged.",
        )


def _adapted(adapter: AdapterFolder, *, four_bit: bool = False) -> PreTrainedModel:
    import torch

    base = load_base(adapter.base, four_bit=four_bit, dtype=torch.float32)
    return cast("PreTrainedModel", put_on(base, adapter))


class _Rows:
    """Rendered chats, in one batch."""

    def __init__(self, folder: Path, chats: Sequence[Chat]) -> None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.ids = [row.ids[:TOKENS] for row in render_all(tokenizer, chats[:ROWS])]
        self.pad = int(tokenizer.pad_token_id or 0)

    def __len__(self) -> int:
        return len(self.ids)

    def logits(self, model: PreTrainedModel) -> torch.Tensor:
        """Logits at every token of the rows, [tokens, vocabulary]."""
        import torch

        ids_BT, there_BT = left_padded(self.ids, self.pad, model.device.type)
        with torch.inference_mode():
            return logits_of(model.eval(), ids_BT, there_BT)[there_BT.bool()].float().cpu()


def _share(before: torch.Tensor, after: torch.Tensor) -> float:
    """The largest difference, as a share of the largest logit; infinite where a logit is no number."""
    found = ((before - after).abs().max() / before.abs().max()).item()
    return found if math.isfinite(found) else math.inf


def _write(model: PreTrainedModel, folder: Path, out: Path) -> None:
    from transformers import GenerationConfig

    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in OF_ADAPTER and not (out / path.name).exists():
            shutil.copyfile(path, out / path.name)
    for file in sorted(out.glob("*.safetensors")):
        file.chmod(0o644)
