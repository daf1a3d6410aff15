"""Gradients written by hand are those that torch finds."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.train.test_scratch import PLAIN
from transformers import Gemma2Config, Gemma2ForCausalLM

from tunesmith.train.fast import PIECE, head_loss, use_fast_norms
from tunesmith.train.scratch import scratch_model, scratch_tokenizer


@pytest.mark.parametrize("count", [1, PIECE, PIECE + 3])
def test_the_loss_of_a_head_in_pieces_is_that_of_the_whole(count: int) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(count, 16, requires_grad=True)
    weight = torch.randn(50, 16, requires_grad=True)
    targets = torch.randint(50, (count,))
    whole = F.cross_entropy(hidden @ weight.t(), targets, reduction="sum") / 7
    expected = [whole, *torch.autograd.grad(whole, [hidden, weight])]
    ours = head_loss(hidden, weight, targets) / 7
    for one, other in zip([ours, *torch.autograd.grad(ours, [hidden, weight])], expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_frozen_head_gets_no_gradient_and_a_hopeless_token_no_infinite_loss() -> None:
    weight, hidden = torch.tensor([[200.0], [0.0]]), torch.ones(1, 1, requires_grad=True)
    loss = head_loss(hidden, weight, torch.tensor([1]))
    assert 80 < loss.item() < 88
    assert torch.autograd.grad(loss, hidden)[0].item() == 200


def test_fast_norms_change_neither_outputs_nor_gradients_nor_names() -> None:
    tokenizer = scratch_tokenizer(PLAIN, vocabulary=400)
    plain, fast = (scratch_model(tokenizer, size="0.7M", seed=3) for _ in range(2))
    assert use_fast_norms(fast) == 3
    ids = torch.randint(len(tokenizer), (2, 33))
    results = []
    for model in (plain, fast):
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" in name:
                    weight.copy_(torch.linspace(0.5, 1.5, len(weight)))
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        results.append([loss, *(weight.grad for weight in model.parameters())])
    assert list(plain.state_dict()) == list(fast.state_dict())
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_norms_of_another_kind_are_left_alone() -> None:
    config = Gemma2Config(
        vocab_size=50, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, head_dim=16
    )
    assert use_fast_norms(Gemma2ForCausalLM(config)) == 0
