"""The signal likelihood: four scores of a text under a model, of each the higher, the likelier it was seen."""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa
import pytest
from tests.data.passes.membership_toys import generated, save_model

from tunesmith.core.record import LocalPath
from tunesmith.data.likelihood import lowest
from tunesmith.data.signals.likelihood import likelihood
from tunesmith.models.texts import token_likelihoods


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalPath:
    texts = generated(count=20, seed=0)
    return LocalPath(save_model(tmp_path_factory.mktemp("model"), texts, texts[:10], epochs=30, seed=0))


def test_the_scores_are_those_of_the_papers(model: LocalPath) -> None:
    texts = generated(count=3, seed=0)
    found = likelihood(pa.array(texts), model=model, k=0.3)
    for row, (text, (said, mean, deviation)) in enumerate(zip(texts, token_likelihoods(model, texts), strict=True)):
        count = int(0.3 * len(said))
        standard = [(a - b) / c for a, b, c in zip(said.tolist(), mean.tolist(), deviation.tolist(), strict=True)]
        loss = -sum(said.tolist()) / len(said)
        assert found["log_prob"][row] == pytest.approx(-loss, rel=1e-5)
        assert found["min_k"][row] == pytest.approx(sum(sorted(said.tolist())[:count]) / count, rel=1e-5)
        assert found["min_k_plus_plus"][row] == pytest.approx(sum(sorted(standard)[:count]) / count, rel=1e-4)
        assert found["zlib"][row] == pytest.approx(-loss / len(zlib.compress(text.encode())), abs=1e-6)


def test_texts_that_were_learnt_by_heart_score_higher_on_all_four(model: LocalPath) -> None:
    found = likelihood(pa.array(generated(count=20, seed=0)), model=model)
    for values in found.values():
        assert values[:10].mean() > values[10:].mean()


def test_a_text_of_fewer_than_two_tokens_is_not_measured(model: LocalPath) -> None:
    found = likelihood(pa.array(["", None, "a", "ab cd"]), model=model)
    assert [np.isnan(values).tolist() for values in found.values()] == [[True, True, True, False]] * 4


def test_the_lowest_share_is_of_one_token_at_least() -> None:
    assert lowest(np.array([-1.0, -5.0, -3.0]), 0.2) == -5.0
    assert lowest(np.array([-1.0, -5.0, -3.0]), 1.0) == -3.0
