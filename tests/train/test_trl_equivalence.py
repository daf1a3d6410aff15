"""Our losses are TRL's losses: value and gradient on one batch in float32."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.train_toys import job_at, pair_rows, scratch_rows

from tunesmith.train.batches import IGNORED, Batch
from tunesmith.train.folder import write_start
from tunesmith.train.job import Scratch
from tunesmith.train.losses import answer_logps, sft_loss
from tunesmith.train.preferences import Scored, sigmoid

trl = pytest.importorskip("trl", reason="trl is not installed (it is in the dev extra); the comparison needs it")
pytestmark = pytest.mark.filterwarnings("ignore")  # TRL's own warnings are not ours to fail on


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    write_start(job_at(folder, Scratch("0.1M", {"vocabulary": 300}), scratch_rows()))
    return folder / "out"


def trainer_of(kind: str, config: dict[str, Any], start: Path, rows: list[dict[str, Any]], work: Path) -> Any:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    common = {"output_dir": str(work), "use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True}
    args = getattr(trl, f"{kind}Config")(
        **common, per_device_train_batch_size=8, activation_checkpointing=False, **config
    )
    return getattr(trl, f"{kind}Trainer")(
        model=AutoModelForCausalLM.from_pretrained(start, attn_implementation="eager", dtype="float32"),
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(start),
    )


def gradients(model: Any, loss: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]).clone()


def assert_same(model: Any, theirs: torch.Tensor, ours: torch.Tensor) -> None:
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    their_gradient, our_gradient = gradients(model, theirs), gradients(model, ours)
    assert their_gradient.norm() > 0
    assert (their_gradient - our_gradient).norm() / their_gradient.norm() < 1e-6


def first_batch(trainer: Any) -> dict[str, torch.Tensor]:
    return dict(next(iter(trainer.get_train_dataloader())))


def test_our_supervised_loss_and_gradient_equal_those_of_trl(start: Path, tmp_path: Path) -> None:
    rows = [{"prompt": row["messages"][:1], "completion": row["messages"][1:]} for row in scratch_rows()]
    trainer = trainer_of("SFT", {}, start, rows, tmp_path)
    inputs = first_batch(trainer)
    assert (inputs["labels"] != IGNORED).sum() > 8
    theirs = trainer.compute_loss(trainer.model, dict(inputs))
    ours = sft_loss(trainer.model, Batch(inputs["input_ids"], inputs["attention_mask"], inputs["labels"]))
    assert_same(trainer.model, theirs, ours)


@pytest.mark.parametrize(
    ("anchor", "types"), [(0.0, ["sigmoid"]), (1.0, ["sigmoid", "sft"]), (0.5, ["sigmoid", "sft"])]
)
def test_our_preference_loss_and_gradient_equal_those_of_trl(
    anchor: float, types: list[str], start: Path, tmp_path: Path
) -> None:
    rows = [{"prompt": row["messages"], "chosen": row["chosen"], "rejected": row["rejected"]} for row in pair_rows()]
    weights = [1.0, anchor][: len(types)]
    config = {"beta": 0.3, "loss_type": types, "loss_weights": weights}
    trainer = trainer_of("DPO", config, start, rows, tmp_path)
    reference = copy.deepcopy(trainer.ref_model)
    moved(trainer.model)
    inputs = first_batch(trainer)
    theirs = trainer.compute_loss(trainer.model, dict(inputs))
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, IGNORED)
    batch = Batch(inputs["input_ids"], inputs["attention_mask"], labels)
    with torch.no_grad():
        reference_logps = answer_logps(reference, batch)[0].sum(dim=1)
    scored = Scored(*answer_logps(trainer.model, batch), reference_logps)
    tokens = scored.there_BT.chunk(2)[0].sum()
    chosen, rejected = scored.ratios
    assert (chosen - rejected).abs().mean() > 1e-3
    ours = sigmoid(scored, beta=0.3).mean() + anchor * scored.chosen_nll / tokens
    assert_same(trainer.model, theirs, ours)


def moved(model: Any) -> None:
    """Step away from the reference, so that the margins are not all zero."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
