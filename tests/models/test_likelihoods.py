"""How likely a model finds documents, beside the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.train.train_toys import job_at, scratch_rows

from tunesmith.models.base import Likelihood
from tunesmith.models.chat import END_OF_TURN
from tunesmith.models.local import LocalModel
from tunesmith.train.folder import write_start
from tunesmith.train.job import Scratch

TEXTS = ["Load the config.", "", f"Save the file {END_OF_TURN} of the user, then check the index and the table." * 3]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    job = job_at(tmp_path_factory.mktemp("model"), Scratch("0.1M", init={"length": 16}), scratch_rows())
    write_start(job)
    return LocalModel(job.out)


def by_hand(model: LocalModel, ids: list[int]) -> float:
    """Nats of all ids but the first."""
    with torch.no_grad():
        logps = model.model(input_ids=torch.tensor([ids[:-1]])).logits[0].log_softmax(-1)
    return -float(logps[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].sum())


def test_the_nats_of_a_text_are_those_of_its_tokens_behind_the_end_of_another(model: LocalModel) -> None:
    short, empty, _ = model.likelihoods(TEXTS)
    ids = model.tokenizer(TEXTS[0], add_special_tokens=False)["input_ids"]
    assert short.nats == pytest.approx(by_hand(model, [model.tokenizer.eos_token_id, *ids]), rel=1e-5)
    assert (short.tokens, short.bytes) == (len(ids), 16)
    assert empty == Likelihood(0.0, 0, 0)


def test_a_text_longer_than_the_model_is_read_in_windows_each_token_once(model: LocalModel) -> None:
    long = model.likelihoods(TEXTS)[2]
    assert long.tokens > 3 * 16
    assert long.bytes == len(TEXTS[2])
    inner = model.tokenizer.backend_tokenizer
    inner.encode_special_tokens = True  # what it spells is text
    ids = [model.tokenizer.eos_token_id, *inner.encode(TEXTS[2], add_special_tokens=False).ids]
    inner.encode_special_tokens = False
    assert model.tokenizer.eos_token_id not in ids[1:]
    pieces = [ids[begin : begin + 17] for begin in range(0, len(ids) - 1, 16)]
    assert long.nats == pytest.approx(float(np.sum([by_hand(model, piece) for piece in pieces])), rel=1e-5)
