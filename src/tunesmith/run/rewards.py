"""What answers are rewarded by in reinforcement learning: metrics and reward models, weighted and added up."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.evaluate.score import lower_is_better, score
from tunesmith.models.rows import target_of
from tunesmith.recipe import TrainStep
from tunesmith.recipe.grammar import RewardTerm
from tunesmith.run.bases import model_key
from tunesmith.run.context import Context, ref_of

if TYPE_CHECKING:
    from tunesmith.models.reward_model import RewardModel
    from tunesmith.train.job import Reward, Row


def reward_key(step: TrainStep, checkpoints: Mapping[str, Path]) -> dict[str, object]:
    """What stands for a step's reward in its KEY; nothing where it has none."""
    if not step.reward:
        return {}
    return {"reward": [[term.name, term.weight, _content(term, checkpoints, step)] for term in step.reward]}


def _content(term: RewardTerm, checkpoints: Mapping[str, Path], step: TrainStep) -> object:
    if term.metric is not None:
        return [getattr(term.metric.module(), "VERSION", 1), term.metric.fingerprint()]
    folder = _folder(term, checkpoints, step)
    return ref_of(folder) if term.name in checkpoints else model_key(folder)


def _folder(term: RewardTerm, checkpoints: Mapping[str, Path], step: TrainStep) -> Path:
    return checkpoints[term.name] if term.name in checkpoints else Path(step.trainer.base) / term.name


def reward_of(context: Context, step: TrainStep, checkpoints: Mapping[str, Path]) -> Reward | None:
    """The reward of a step: each term's score times its weight, added up; None where it has none."""
    if not step.reward:
        return None
    models = {term.name: _folder(term, checkpoints, step) for term in step.reward if term.metric is None}
    load = cache(_loaded)

    def reward(rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
        total = [0.0] * len(rows)
        for term in step.reward:
            if term.metric is None:
                scores = load(models[term.name]).of_answers(rows, answers)
            else:
                scores = _measured(term, rows, answers)
            total = [so_far + term.weight * one for so_far, one in zip(total, scores, strict=True)]
        return total

    return reward


def _loaded(folder: Path) -> RewardModel:
    from tunesmith.models.reward_model import RewardModel

    return RewardModel(folder)


def _measured(term: RewardTerm, rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
    assert term.metric is not None
    given = [dict(row) for row in rows]
    wants = {"target", "targets"} & set(inspect.signature(term.metric.load()).parameters)
    found = score(term.metric, {}, answers, given, [_expected(row) for row in given] if wants else [""] * len(given))
    if found.per_row is None:
        raise UserError(
            f"reward {term.name} is one number for all answers.", "A reward must be a number for every answer."
        )
    if missing := int(np.isnan(found.per_row).sum()):
        raise UserError(
            f"reward {term.name}: {missing} of {len(given)} answers have no score.",
            "A reward must be a number for every answer: choose a metric that is, or rows that it can measure.",
        )
    sign = -1.0 if lower_is_better(term.metric) else 1.0
    return [sign * float(value) for value in found.per_row]


def _expected(row: dict[str, object]) -> str:
    """What a metric compares an answer with: the chosen answer of a pair, or the row's own."""
    chosen = cast("Sequence[Mapping[str, str]]", row.get("chosen") or ())
    return str(chosen[0]["content"]) if chosen else target_of(row)
