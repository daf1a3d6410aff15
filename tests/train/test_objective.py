"""What a recipe can say of a preference loss, and what it is told where an option does not belong to it."""

from __future__ import annotations

from typing import Any, cast, get_args

import pytest

from tunesmith.core.errors import UserError
from tunesmith.train.objective import Divergence, LossName, objective_of
from tunesmith.train.preferences import DIVERGENCES, LOSSES


def test_every_loss_and_divergence_has_a_name_that_recipes_know() -> None:
    assert set(get_args(LossName)) == set(LOSSES)
    assert len(LOSSES) == 15
    assert set(get_args(Divergence)) == {"reverse_kl", *DIVERGENCES}


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "sft"])
def test_the_anchor_is_on_by_default_for_every_loss(name: str) -> None:
    objective = objective_of(cast("LossName", name), beta=0.3)
    assert objective.weights == {name: 1.0, "sft": 1.0}
    assert str(objective) == f"{name} + sft"


def test_the_anchor_can_be_weighed_or_left_out_and_sft_names_it_too() -> None:
    assert objective_of("ipo", beta=0.3, anchor=0.5).weights == {"ipo": 1.0, "sft": 0.5}
    assert objective_of("ipo", beta=0.3, anchor=0.0).weights == {"ipo": 1.0}
    assert objective_of({"sigmoid": 0.8, "bco_pair": 0.2, "sft": 2.0}, beta=0.3).weights["sft"] == 2.0
    assert objective_of("sft", beta=0.3).weights == {"sft": 1.0}


def test_each_loss_gets_the_options_it_takes() -> None:
    objective = objective_of({"sigmoid": 1.0, "robust": 1.0}, beta=0.3, label_smoothing=0.2)
    assert objective.options == {"sigmoid": {"beta": 0.3}, "robust": {"beta": 0.3, "label_smoothing": 0.2}, "sft": {}}


MISTAKES: list[tuple[object, dict[str, Any], str]] = [
    ("sigmod", {}, "there is no loss 'sigmod'"),
    ({}, {}, "there is no loss ''"),
    ("sigmoid", {"label_smoothing": 0.1}, r"label_smoothing: the loss sigmoid \+ sft does not use it"),
    ("hinge", {"discopop_tau": 0.1}, "discopop_tau: the loss hinge"),
    ("sft", {"ld_alpha": 0.5}, "ld_alpha: the loss 'sft' does not use it"),
    ("nca_pair", {"f_divergence": "forward_kl"}, "f_divergence: the loss nca_pair does not use it"),
    ("sft", {"f_divergence": "forward_kl"}, "f_divergence: the loss sft does not use it"),
    ("sigmoid", {"f_divergence": "backward"}, "f_divergence: there is no 'backward'"),
    ("sigmoid", {"f_alpha": 0.5}, "f_alpha: the divergence reverse_kl does not use it"),
    ({"sigmoid": 1.0, "sft": 1.0}, {"anchor": 1.0}, "anchor: the loss 'sft' is the anchor"),
    ({"sigmoid": -1.0}, {}, "the weight of sigmoid is below 0"),
    ("sigmoid", {"anchor": -1.0}, "the weight of sft is below 0"),
    ({"sigmoid": 0.0}, {"anchor": 0.0}, "all weights are 0"),
    ("sigmoid", {"beta": 0.0}, "beta: 0 will not do"),
    ("sigmoid", {"ld_alpha": 1.5}, "ld_alpha: 1.5 will not do"),
    ("robust", {"label_smoothing": 0.5}, "label_smoothing: 0.5 will not do"),
    ("exo_pair", {"label_smoothing": 0.0}, "label_smoothing: 0 will not do"),
    ("discopop", {"discopop_tau": 0.0}, "discopop_tau: 0 will not do"),
]


@pytest.mark.parametrize(("loss", "options", "problem"), MISTAKES)
def test_an_option_that_the_loss_does_not_use_or_that_will_not_do_is_a_mistake(
    loss: Any, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UserError, match=problem) as mistake:
        objective_of(loss, **{"beta": 0.3, **options})
    assert mistake.value.hint
