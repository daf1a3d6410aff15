"""Sampling answers from the model as it is: at temperature 1, with a cache of keys and values.

A plain loop takes less time than transformers' generate on a small model, and its random numbers belong to the answer,
not to the batch: an answer is the same whatever is sampled beside it, but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from tunesmith.train.batches import Index
from tunesmith.train.start import Start
from tunesmith.train.watching import left_padded

if TYPE_CHECKING:
    import torch
    from transformers.modeling_outputs import CausalLMOutputWithPast

Draws = npt.NDArray[np.float64]
ROWS_AT_ONCE = 512


def draws_of(*seed: int, answers: int, tokens: int) -> Draws:
    """Uniform numbers in [0, 1) for the answers to one prompt, [answers, tokens]."""
    return np.random.default_rng(seed).random((answers, tokens))


@dataclass(frozen=True)
class Sampler:
    """Answers of at most `new_tokens` tokens, the stop token included, `each` of them to a prompt."""

    start: Start
    each: int
    new_tokens: int
    stops: tuple[int, ...]

    def answers(self, prompts: Sequence[Sequence[int]], draws: Sequence[Draws]) -> list[list[int]]:
        """The ids of `each` answers to every prompt, those to one prompt together; the stop token is the last."""
        import torch

        found: list[list[int]] = [[]] * (len(prompts) * self.each)
        self.start.model.eval()
        with torch.no_grad(), self.start.device.autocast():
            for places in self._batches(np.array([len(prompt) for prompt in prompts])):
                made = self._sampled([prompts[i] for i in places], np.concatenate([draws[i] for i in places]))
                for line, place in enumerate(places.tolist()):
                    mine = slice(line * self.each, (line + 1) * self.each)
                    found[place * self.each : (place + 1) * self.each] = map(self._cut, made[mine].tolist())
        self.start.model.train()
        return found

    def _batches(self, lengths: Index) -> Iterator[Index]:
        """Prompts of like length, whose answers fit into memory together."""
        order = np.argsort(lengths, kind="stable")
        width = int(lengths.max()) + self.new_tokens
        rows = min(ROWS_AT_ONCE, (self.start.part_tokens or ROWS_AT_ONCE * width) // width)
        size = max(1, rows // self.each)
        yield from (order[i : i + size] for i in range(0, len(order), size))

    def _sampled(self, prompts: Sequence[Sequence[int]], draws_BT: Draws) -> torch.Tensor:
        """New ids, [B, tokens], padded behind the stop token."""
        import torch

        ids_BT, there_BT = left_padded(prompts, self.start.pad, self.start.device.name)
        draws = torch.from_numpy(draws_BT).to(ids_BT.device)
        stops = torch.tensor(self.stops, device=ids_BT.device)
        made = torch.full(draws.shape, self.start.pad, device=ids_BT.device)
        read = self._read(ids_BT, there_BT, (there_BT.cumsum(1) - 1).clamp(min=0), None)
        cache = cast("Any", read.past_key_values)
        cache.batch_repeat_interleave(self.each)
        there_BT, logits_BV = (
            one.repeat_interleave(self.each, 0) for one in (there_BT, cast("Any", read.logits)[:, -1])
        )
        rows = torch.arange(len(draws), device=ids_BT.device)  # those still being written
        done = torch.zeros_like(rows, dtype=torch.bool)
        for step in range(self.new_tokens):
            new = torch.where(done, self.start.pad, drawn(logits_BV, draws[rows, step]))
            made[rows, step] = new
            done = done | torch.isin(new, stops)
            live = (~done).nonzero()[:, 0]
            if step + 1 == self.new_tokens or not len(live):
                break
            if len(live) <= len(rows) / 2:  # the ones that are done are no longer carried along
                cache.batch_select_indices(live)
                rows, new, there_BT, done = rows[live], new[live], there_BT[live], done[live]
            places = there_BT.sum(1, keepdim=True)
            there_BT = torch.cat([there_BT, torch.ones_like(there_BT[:, :1])], 1)
            logits_BV = cast("Any", self._read(new[:, None], there_BT, places, cache).logits)[:, -1]
        return made

    def _read(
        self, ids_BT: torch.Tensor, there_BT: torch.Tensor, places_BT: torch.Tensor, cache: object
    ) -> CausalLMOutputWithPast:
        """What the model says of the last token of each row."""
        read: CausalLMOutputWithPast = cast("Any", self.start.model)(
            input_ids=ids_BT,
            attention_mask=there_BT,
            position_ids=places_BT,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return read

    def _cut(self, ids: list[int]) -> list[int]:
        """An answer up to its stop token."""
        end = next((place for place, token in enumerate(ids) if token in self.stops), len(ids) - 1)
        return ids[: end + 1]

    def is_whole(self, ids: Sequence[int]) -> bool:
        """Whether an answer came to its end."""
        return bool(ids) and ids[-1] in self.stops

    def text(self, ids: Sequence[int]) -> str:
        """What an answer says."""
        return cast("str", self.start.tokenizer.decode(list(ids), skip_special_tokens=True))


def drawn(logits_BV: torch.Tensor, draws_B: torch.Tensor) -> torch.Tensor:
    """The token of each row in whose stretch of the summed probabilities its number falls."""
    summed_BV = logits_BV.double().softmax(dim=1).cumsum(dim=1)
    aim_B = draws_B * summed_BV[:, -1]  # the sum is 1 but for rounding
    return (summed_BV <= aim_B[:, None]).sum(dim=1).clamp(max=logits_BV.shape[1] - 1)
