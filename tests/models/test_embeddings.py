"""Texts as vectors under an encoder of this machine: the same whatever the batch, and as its folder says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.encoder import saved_encoder
from transformers import AutoModel, AutoTokenizer

from tunesmith.core.errors import UserError
from tunesmith.models.embeddings import embeddings

TEXTS = ["a red house stands here", "here stands a blue house", "", "house", "red " * 40]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_encoder(tmp_path_factory.mktemp("encoder"))


def states(folder: Path, text: str) -> torch.Tensor:
    """The last states of one text, alone."""
    given = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        return AutoModel.from_pretrained(folder).eval()(**given).last_hidden_state[0]


def as_sentence_transformers(folder: Path, mode: str, *more: str) -> Path:
    """The folder with what SentenceTransformers writes beside the model."""
    kinds = ["Transformer", "Pooling", *more]
    modules = [
        {"type": f"sentence_transformers.models.{kind}", "path": "" if kind == "Transformer" else kind}
        for kind in kinds
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "Pooling").mkdir()
    pooling = {"pooling_mode_mean_tokens": False, "word_embedding_dimension": 16, mode: True}
    (folder / "Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def test_a_vector_is_the_mean_of_the_states_and_has_length_one(encoder: Path) -> None:
    found = embeddings(str(encoder), TEXTS)
    mean = states(encoder, TEXTS[0]).mean(0).numpy()
    np.testing.assert_allclose(found[0], mean / np.linalg.norm(mean), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found[[0, 1, 3, 4]], axis=1), 1, atol=1e-5)
    assert not found[2].any()


def test_the_batch_changes_nothing(encoder: Path) -> None:
    alone = np.concatenate([embeddings(str(encoder), [text]) for text in TEXTS])
    np.testing.assert_allclose(embeddings(str(encoder), TEXTS), alone, atol=1e-5)


def test_the_end_of_a_long_text_counts(encoder: Path) -> None:
    one, other = embeddings(str(encoder), ["red " * 40 + "house " * 8, "red " * 40 + "blue " * 8])
    assert float(one @ other) < 0.9999


def test_a_folder_of_sentence_transformers_says_how_states_are_pooled(tmp_path: Path) -> None:
    folder = as_sentence_transformers(saved_encoder(tmp_path), "pooling_mode_cls_token", "Normalize")
    first = states(folder, TEXTS[0])[0].numpy()
    np.testing.assert_allclose(embeddings(str(folder), TEXTS)[0], first / np.linalg.norm(first), atol=1e-5)


def test_modules_and_poolings_that_are_not_known_are_a_mistake(tmp_path: Path) -> None:
    dense = as_sentence_transformers(saved_encoder(tmp_path / "a"), "pooling_mode_mean_tokens", "Dense")
    highest = as_sentence_transformers(saved_encoder(tmp_path / "b"), "pooling_mode_max_tokens")
    with pytest.raises(UserError, match="module Dense"):
        embeddings(str(dense), ["a"])
    with pytest.raises(UserError, match="pooling_mode_max_tokens"):
        embeddings(str(highest), ["a"])


def test_a_folder_without_a_model_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a model folder"):
        embeddings(str(tmp_path), ["a"])
