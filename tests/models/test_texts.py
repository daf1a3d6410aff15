"""Plain texts under models of this machine: each number is the model's own, whatever batch it was asked in."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath
from tunesmith.data.signals import classifier as signals
from tunesmith.data.signals.causal_perplexity import causal_perplexity
from tunesmith.models import texts as module
from tunesmith.models.texts import class_probabilities, perplexities, token_likelihoods

WORDS = ["[UNK]", "[PAD]", "a", "red", "blue", "house", "stands", "here"]
TEXTS = ["a red house stands here", "here stands a blue house a red house", "house", "", "red " * 40]


def saved(folder: Path, model: LlamaForCausalLM | BertForSequenceClassification) -> str:
    words = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, "[UNK]"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    model.eval().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16,
    )  # fmt: skip
    return saved(tmp_path_factory.mktemp("causal"), LlamaForCausalLM(config))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, id2label={0: "fine", 1: "toxic", 2: "spam"}, label2id={"fine": 0},
    )  # fmt: skip
    return saved(tmp_path_factory.mktemp("classifier"), BertForSequenceClassification(config))


def test_perplexity_is_that_of_the_models_own_loss(causal: str) -> None:
    model = LlamaForCausalLM.from_pretrained(causal)
    ids = torch.tensor([[WORDS.index(word) for word in TEXTS[0].split()]])
    with torch.inference_mode():
        loss = model(input_ids=ids, labels=ids).loss
    found = perplexities(causal, TEXTS)
    assert found[0] == pytest.approx(math.exp(loss), rel=1e-4)
    assert found[2:4] == [None, None]
    assert found[:2] == pytest.approx([perplexities(causal, [text])[0] for text in TEXTS[:2]], rel=1e-4)


def test_a_text_longer_than_the_model_is_read_in_windows(causal: str) -> None:
    whole, window = perplexities(causal, ["red " * 32, "red " * 16])
    assert whole == pytest.approx(window, rel=1e-4)


def test_each_token_has_its_log_probability_and_those_of_all_that_could_stand_there(causal: str) -> None:
    ids = [WORDS.index(word) for word in TEXTS[0].split()]
    with torch.inference_mode():
        logps = (
            LlamaForCausalLM.from_pretrained(causal)(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        )
    said, mean, deviation = token_likelihoods(causal, TEXTS)[0]
    for place, token in enumerate(ids[1:]):
        values = logps[place].tolist()
        expected = sum(math.exp(value) * value for value in values)
        spread = math.sqrt(sum(math.exp(value) * (value - expected) ** 2 for value in values))
        found = [said[place], mean[place], deviation[place]]
        assert found == pytest.approx([values[token], expected, spread], rel=1e-4)
    assert [found.shape for found in token_likelihoods(causal, TEXTS[2:4])] == [(3, 0), (3, 0)]


def test_tokens_are_the_same_however_few_fit_at_once(causal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = token_likelihoods(causal, TEXTS)
    assert whole[4].shape == (3, 15 + 15 + 7)  # 40 tokens in windows of 16, whose first tokens have nothing before them
    monkeypatch.setattr(module, "LOGITS", 1)
    monkeypatch.setattr(module, "SLICE", 2 * len(WORDS))
    for one, other in zip(token_likelihoods(causal, TEXTS), whole, strict=True):
        assert one.tolist() == [pytest.approx(row, abs=1e-5) for row in other.tolist()]


def test_a_class_has_the_probability_the_model_gives_it(classifier: str) -> None:
    toxic, spam = class_probabilities(classifier, TEXTS[:2]), class_probabilities(classifier, TEXTS[:2], "spam")
    fine = class_probabilities(classifier, TEXTS[:2], "0")
    assert [sum(three) for three in zip(toxic, spam, fine, strict=True)] == pytest.approx([1.0, 1.0], rel=1e-4)
    assert class_probabilities(classifier, [TEXTS[4], ""]) == pytest.approx(
        [max(class_probabilities(classifier, ["red " * 16, "red " * 8])), 0.0], rel=1e-4
    )
    with pytest.raises(UserError, match=r"no label 'rude'"):
        class_probabilities(classifier, TEXTS, "rude")


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a model folder"):
        perplexities(str(tmp_path), TEXTS)


def test_signals_measure_texts_by_models_that_a_recipe_names(causal: str, classifier: str) -> None:
    texts = pa.array([*TEXTS[:2], None])
    folder = LocalPath(causal)
    assert causal_perplexity(texts, model=folder)[:2].tolist() == pytest.approx(perplexities(causal, TEXTS[:2]))
    toxic = signals.classifier(texts, model=LocalPath(classifier), label="toxic")
    assert toxic[:2].tolist() == pytest.approx(class_probabilities(classifier, TEXTS[:2]))
