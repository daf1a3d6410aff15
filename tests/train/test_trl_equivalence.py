"""Our losses are TRL's losses: value and gradient on one batch in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from tests.train.train_toys import job_at, pair_rows, scratch_rows

from tunesmith.models.chat import Tokens
from tunesmith.models.reward_model import rewards_of
from tunesmith.train.batches import IGNORED, Batch, collate
from tunesmith.train.folder import write_start
from tunesmith.train.job import Scratch
from tunesmith.train.losses import answer_logps, sft_loss
from tunesmith.train.objective import LossName, objective_of
from tunesmith.train.policy import Method, PolicyObjective, Sampled
from tunesmith.train.preferences import DIVERGENCES, LOSSES, Scored, answer_sums
from tunesmith.train.reward import Preference, reward
from tunesmith.train.unpaired import UNPAIRED_LOSSES, Judged

trl = pytest.importorskip("trl", reason="trl is not installed (it is in the dev extra); the comparison needs it")
pytestmark = pytest.mark.filterwarnings("ignore")  # TRL's own warnings are not ours to fail on


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    write_start(job_at(folder, Scratch("0.1M", {"vocabulary": 300}), scratch_rows()))
    return folder / "out"


def trainer_of(
    kind: str, config: dict[str, Any], start: Path, rows: list[dict[str, Any]], work: Path, **more: Any
) -> Any:
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
        **more,
    )


def gradients(model: Any, loss: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]).clone()


def assert_same(model: Any, theirs: torch.Tensor, ours: torch.Tensor, tolerance: float = 1e-6) -> None:
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    their_gradient, our_gradient = gradients(model, theirs), gradients(model, ours)
    assert their_gradient.norm() > 0
    assert (their_gradient - our_gradient).norm() / their_gradient.norm() < tolerance


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


Options = dict[str, Any]
# Steep in the log-probabilities, so that their last bit in float32, which differs, shows in the gradient.
STEEP = ("sppo_hard", "discopop", "sigmoid under forward_kl", "alpha 2")
SMOOTHED = ("exo_pair", "robust", "aot", "aot_unpaired")
CASES: dict[str, tuple[dict[LossName, float], float, Options]] = {  # losses, the anchor's weight, options
    "sigmoid with the anchor": ({"sigmoid": 1.0}, 1.0, {}),
    "sigmoid with half the anchor": ({"sigmoid": 1.0}, 0.5, {}),
    "mpo": ({"sigmoid": 0.8, "bco_pair": 0.2}, 1.0, {}),
    **{name: ({cast("LossName", name): 1.0}, 0.0, {}) for name in LOSSES},
    **{f"{name} smoothed": ({cast("LossName", name): 1.0}, 0.0, {"label_smoothing": 0.2}) for name in SMOOTHED},
    **{f"sigmoid under {name}": ({"sigmoid": 1.0}, 0.0, {"f_divergence": name}) for name in DIVERGENCES},
    "ipo under js_divergence": ({"ipo": 1.0}, 0.0, {"f_divergence": "js_divergence"}),
    "alpha 2": ({"hinge": 1.0}, 0.0, {"f_divergence": "alpha_divergence", "f_alpha": 2.0}),
    "alpha 1": ({"sigmoid": 1.0}, 0.0, {"f_divergence": "alpha_divergence", "f_alpha": 1.0}),
    "discopop with another tau": ({"discopop": 1.0}, 0.0, {"discopop_tau": 0.5}),
    "length desensitised": ({"sigmoid": 1.0}, 1.0, {"ld_alpha": 0.3}),
    "length desensitised by token": ({"sigmoid_norm": 1.0}, 0.0, {"ld_alpha": 0.0}),
}


@pytest.fixture(scope="module")
def dpo_trainer(start: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, torch.Tensor]]:
    """TRL's trainer with a model that has moved from its reference, and a batch of pairs of different lengths."""
    rows = [{"prompt": row["messages"], "chosen": row["chosen"], "rejected": row["rejected"]} for row in pair_rows()]
    for number, row in enumerate(rows):
        row["rejected"] = [{"role": "assistant", "content": row["rejected"][0]["content"] + " now" * (number % 3)}]
    trainer = trainer_of("DPO", {}, start, rows, tmp_path_factory.mktemp("dpo"))
    moved(trainer.model)
    return trainer, first_batch(trainer)


@pytest.mark.parametrize("case", CASES)
def test_our_preference_loss_and_gradient_equal_those_of_trl(
    case: str, dpo_trainer: tuple[Any, dict[str, torch.Tensor]]
) -> None:
    weights, anchor, options = CASES[case]
    objective = objective_of(weights, beta=0.3, anchor=None if "sft" in weights else anchor, **options)
    trainer, inputs = dpo_trainer
    trainer.loss_types, trainer.loss_weights = map(list, zip(*objective.weights.items(), strict=True))
    trainer.beta, trainer.ld_alpha = 0.3, objective.ld_alpha
    trainer.f_divergence_type, trainer.f_alpha_divergence_coef = objective.f_divergence, objective.f_alpha
    trainer.label_smoothing = options.get("label_smoothing", {"exo_pair": 1e-3, "robust": 0.1}.get(case, 0.0))
    trainer.args.discopop_tau = options.get("discopop_tau", 0.05)
    theirs = trainer.compute_loss(trainer.model, dict(inputs))
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, IGNORED)
    batch = Batch(inputs["input_ids"], inputs["attention_mask"], labels)
    with torch.no_grad():
        reference = answer_sums(*answer_logps(trainer.ref_model, batch), objective.ld_alpha)
    logps_BT, there_BT = answer_logps(trainer.model, batch)
    tokens_B, nll_N = there_BT.sum(dim=1), -logps_BT.chunk(2)[0].sum(dim=1)
    mean_tokens = tokens_B.chunk(2)[0].float().mean().item()
    sums = answer_sums(logps_BT, there_BT, objective.ld_alpha)
    scored = Scored(sums, reference, tokens_B, nll_N, mean_tokens, objective.divergence)
    chosen, rejected = scored.ratios
    assert (chosen - rejected).abs().mean() > 1e-3
    assert len(set(tokens_B.tolist())) > 1
    assert_same(trainer.model, theirs, objective(scored).mean(), 2e-5 if case in STEEP else 1e-6)


@pytest.mark.parametrize("loss", ["kto", "apo_zero_unpaired"])
def test_our_loss_of_single_answers_and_its_gradient_equal_those_of_trl(loss: str, start: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": row["messages"], "completion": row["chosen" if number % 3 else "rejected"], "label": number % 3 > 0}
        for number, row in enumerate(pair_rows())
    ]
    config = {"beta": 0.3, "desirable_weight": 1.5, "undesirable_weight": 0.8, "loss_type": loss}
    trainer = trainer_of("KTO", config, start, rows, tmp_path)
    moved(trainer.model)
    inputs = first_batch(trainer)
    theirs = trainer.compute_loss(trainer.model, dict(inputs))

    def batch_of(prefix: str) -> Batch:
        ids, there, mask = (inputs[f"{prefix}{name}"] for name in ("input_ids", "attention_mask", "completion_mask"))
        return Batch(ids, there, ids.masked_fill(mask == 0, IGNORED))

    def logps(model: Any, prefix: str) -> torch.Tensor:
        return answer_logps(model, batch_of(prefix))[0].sum(dim=1)

    kl = torch.zeros(())
    with torch.no_grad():
        reference = logps(trainer.ref_model, "")
        if loss == "kto":
            kl = (logps(trainer.model, "KL_") - logps(trainer.ref_model, "KL_")).mean().clamp(min=0)
    up = inputs["label"]
    assert 0 < up.sum() < len(up)
    judged = Judged(logps(trainer.model, "") - reference, up, kl)
    ours = (UNPAIRED_LOSSES[loss](judged, beta=0.3) * torch.where(up, 1.5, 0.8)).mean()
    assert_same(trainer.model, theirs, ours)


@pytest.mark.parametrize("method", ["rloo", "grpo", "dapo", "dr_grpo"])
def test_our_loss_of_sampled_answers_and_its_gradient_equal_those_of_trl(
    method: Method, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "RLOO" if method == "rloo" else "GRPO"
    rows = [{"prompt": row["messages"][:1]} for row in scratch_rows()]
    config: Options = {"beta": 0.3, "num_generations": 4, "max_completion_length": 9}
    if kind == "GRPO":
        config |= {"loss_type": method, "scale_rewards": "none" if method == "dr_grpo" else "group"}
    worth = [1.0, 0.0, 0.5, 3.0, -1.0, 0.0, 0.25, 0.5]
    trainer = trainer_of(kind, config, start, rows, tmp_path, reward_funcs=lambda completions, **_: worth)
    moved(trainer.model)
    stop = trainer.processing_class.eos_token_id
    answers = [[5 + place, 7, 9 + place, 11, 5][: 2 + place % 4] for place in range(8)]
    answers = [[*answer, stop] for answer in answers]
    prompts = [[3, 4, 5]] * 4 + [[6, 7, 8, 9]] * 4
    said = [[{"role": "assistant", "content": "x"}]] * 8
    more = (prompts, answers, None, said, None, {}, None, None)
    monkeypatch.setattr(trainer, "_generate", lambda _: (prompts, answers, said) if kind == "RLOO" else more)
    made = trainer._generate_and_score_completions([rows[0]] * 4 + [rows[1]] * 4)
    theirs = trainer.compute_loss(trainer.model, made)
    lines = [
        Tokens([*prompt, *answer], [0] * len(prompt) + [1] * len(answer))
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    batch = collate(lines, pad=0)
    with torch.no_grad():
        reference = answer_logps(trainer.ref_model, batch)[0]
    logps, there = answer_logps(trainer.model, batch)
    scored = Sampled(torch.tensor(worth), logps, reference, there)
    objective = PolicyObjective(method, 0.3, 4, 9)
    assert objective.advantages(scored.rewards_B, scored.kl_B).tolist() == pytest.approx(
        made["advantages"].tolist(), abs=1e-4
    )
    ours = objective.loss(scored, rows=8, tokens=sum(map(len, answers)))
    assert_same(trainer.model, 1 + theirs, 1 + ours, 1e-4)  # advantages add up to 0, and so may the loss


def moved(model: Any) -> None:
    """Step away from the reference, so that the margins are not all zero."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.02 * torch.randn_like(weight))


@pytest.mark.parametrize(("center", "margins"), [(None, False), (0.05, False), (None, True), (0.05, True)])
def test_our_loss_of_reward_models_and_its_gradient_equal_those_of_trl(
    center: float | None, margins: bool, tmp_path: Path
) -> None:
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    rows = [{**row, "margin": 0.25 * (number % 4)} for number, row in enumerate(pair_rows())]
    reward(job_at(tmp_path, Scratch("0.1M", {"vocabulary": 300}), rows), steps=2)
    given = [
        {
            **{side: [*row["messages"], *row[side]] for side in ("chosen", "rejected")},
            **({"margin": row["margin"]} if margins else {}),
        }
        for row in rows
    ]
    common = {"output_dir": str(tmp_path / "trl"), "use_cpu": True, "bf16": False, "report_to": "none"}
    trainer = trl.RewardTrainer(
        model=AutoModelForSequenceClassification.from_pretrained(tmp_path / "out", dtype="float32"),
        args=trl.RewardConfig(
            **common, per_device_train_batch_size=8, center_rewards_coefficient=center, disable_tqdm=True
        ),
        train_dataset=Dataset.from_list(given),
        processing_class=AutoTokenizer.from_pretrained(tmp_path / "out"),
    )
    inputs = first_batch(trainer)
    theirs = trainer.compute_loss(trainer.model, dict(inputs))
    ids, pad = inputs["input_ids"], trainer.model.config.pad_token_id
    rewards = rewards_of(trainer.model, [[t for t in row if t != pad] for row in ids.tolist()], pad=pad)
    ours = Preference(center or 0.0)(rewards, inputs["margin"] if margins else torch.zeros(len(rewards) // 2))
    assert_same(trainer.model, theirs, ours.mean())
