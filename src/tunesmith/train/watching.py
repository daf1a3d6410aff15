"""Answers to held-out prompts while a model learns preferences, and which measurements may still be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tunesmith.models.base import Chat
from tunesmith.models.chat import render_all
from tunesmith.train.batches import Index
from tunesmith.train.budget import answer_budget
from tunesmith.train.job import Job, Row, Rows, Watch
from tunesmith.train.loop import Numbers, State
from tunesmith.train.start import Start

if TYPE_CHECKING:
    import torch

MOST_PROMPTS = 64
MOST_TOKENS = 128  # of an answer that is watched
MEANING, WORDS = "validation_meaning", "validation_words"
SHRUNK, GROWN = 0.5, 2.0  # times the words of the start's answers, or of the expected ones
Asked = tuple[Chat, str]  # a prompt, and the answer that is expected


@dataclass(frozen=True)
class Watcher:
    """Held-out prompts, always the same, that the model answers greedily at each measurement."""

    start: Start
    prompts: Sequence[Sequence[int]]
    expected: Sequence[str]
    watch: Watch
    new_tokens: int
    batch_size: int = MOST_PROMPTS

    def numbers(self) -> Numbers:
        """What `watch` says of the answers that the model gives now."""
        return {f"validation_{name}": number for name, number in self.watch(self.answers(), self.expected).items()}

    def of_expected(self) -> Mapping[str, float]:
        """What `watch` says of the expected answers themselves."""
        return self.watch(self.expected, self.expected)

    def answers(self) -> list[str]:
        """Greedy answers in order, with the decoding settings that the checkpoint will have."""
        import torch

        model, found = self.start.model, [""] * len(self.prompts)
        order = sorted(range(len(found)), key=lambda i: len(self.prompts[i]))
        model.eval()
        with torch.no_grad(), self.start.device.autocast():
            for begin in range(0, len(order), self.batch_size):
                places = order[begin : begin + self.batch_size]
                for place, answer in zip(places, self._answered([self.prompts[i] for i in places]), strict=True):
                    found[place] = answer
        model.train()
        return found

    def _answered(self, prompts: Sequence[Sequence[int]]) -> list[str]:
        tokenizer = self.start.tokenizer
        ids_BT, there_BT = left_padded(prompts, self.start.pad, self.start.device.name)
        made = cast("Any", self.start.model).generate(
            input_ids=ids_BT,
            attention_mask=there_BT,
            max_new_tokens=self.new_tokens,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=self.start.pad,
        )
        new = made[:, ids_BT.shape[1] :]
        return cast("list[str]", tokenizer.batch_decode(new, skip_special_tokens=True))


def watcher_of(job: Job, start: Start, rows: Rows, kept: Index, ask: Callable[[Row], Asked | None]) -> Watcher | None:
    """A watcher of at most 64 of the kept rows, evenly chosen among those that `ask` has an answer for."""
    if job.watch is None:
        return None
    able = [place for place, row in rows_at(rows, kept) if ask(row)]
    if not able:
        return None
    chosen = np.unique(np.linspace(0, len(able) - 1, MOST_PROMPTS).round().astype(np.int64))
    asked = [cast("Asked", ask(row)) for _, row in rows_at(rows, np.array(able)[chosen])]
    prompts = [tokens.ids for tokens in render_all(start.tokenizer, [prompt for prompt, _ in asked], answer=False)]
    expected = [answer for _, answer in asked]
    longest = max(len(start.tokenizer(answer, add_special_tokens=False).input_ids) for answer in expected)
    room = start.room - max(map(len, prompts))
    return Watcher(start, prompts, expected, job.watch, min(answer_budget(longest), MOST_TOKENS, room))


def rows_at(rows: Rows, places: Index) -> Iterator[tuple[int, Row]]:
    """The rows at these places, which ascend."""
    waiting, here = iter(rows), 0
    for place in places.tolist():
        yield place, next(islice(waiting, place - here, None))
        here = place + 1


def left_padded(rows: Sequence[Sequence[int]], pad: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids of prompts that end together, [B, T], and 1 where they stand."""
    import torch

    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows], device=device)
    there = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, there


@dataclass(frozen=True)
class Held:
    """What is measured on held-out rows, and whether a measurement's weights may be kept.

    They may while the answers' meaning is at most `margin` below the start's and their length from half to twice
    that of the start's or of the expected answers. Without a margin all may, but for the start's own.
    """

    measure: Callable[[], Numbers]
    watcher: Watcher | None = None
    margin: float | None = None
    begin: Numbers | None = None  # before the first step

    def of_start(self) -> Numbers | None:
        """The numbers of the start, taken now that the model still is it; none where no answers are watched."""
        return self._numbers() if self.watcher else None

    def __call__(self) -> Numbers:
        """The numbers of the model as it is, with "eligible" 1 where its weights may be kept, else 0."""
        numbers = self._numbers()
        return {**numbers, "eligible": float(self.lost(numbers) is None)}

    @property
    def account(self) -> str:
        """The start's own numbers, for people, and what may be lost of them."""
        begin = self.begin or {}
        meaning = f"meaning {begin[MEANING]:.3f}" if MEANING in begin else "meaning cannot be measured"
        rule = (
            "all weights may be kept" if self.margin is None else f"weights are kept down to {self.margin:g} below it"
        )
        return f"{meaning}, {begin.get(WORDS, 0):.1f} words before the first step; {rule}"

    @property
    def entry(self) -> Numbers | None:
        """The first of the curve: the start's numbers."""
        return self.begin and {**self.begin, "eligible": float(self.margin is not None)}

    def _numbers(self) -> Numbers:
        return {**self.measure(), **(self.watcher.numbers() if self.watcher else {})}

    def lost(self, numbers: Mapping[str, float]) -> str | None:
        """What these numbers have lost of the start, so that their weights are not kept; None where nothing."""
        if self.margin is None or self.watcher is None or self.begin is None:
            return None
        begin, now = self.begin.get(MEANING), numbers.get(MEANING)
        if begin is not None and now is not None and now < begin - self.margin:
            return f"meaning fell from {begin:.2f} to {now:.2f}"
        lengths = [length for length in (self.begin.get(WORDS), self.watcher.of_expected().get("words")) if length]
        words = numbers.get(WORDS)
        if words is None or not lengths or any(SHRUNK * usual <= words <= GROWN * usual for usual in lengths):
            return None
        return f"answers went from {lengths[0]:.1f} to {words:.1f} words"

    def warnings(self, state: State) -> tuple[str, ...]:
        """Why the start was kept, where no measurement was better and had kept what the start could do."""
        if self.entry is None or not self.entry["eligible"] or state.best_step:
            return ()
        later = [entry for entry in state.curve if entry["step"]]
        lost = [(entry, why) for entry in later if (why := self.lost(entry))]
        if not lost:
            return ("no measurement had a lower validation loss than the start: the start is kept",)
        entry, why = lost[-1]
        told_apart = entry.get("validation_accuracy")
        seen = "" if told_apart is None else f"preference accuracy {told_apart:.2f}, but "
        n = len(self.watcher.prompts) if self.watcher else 0
        return (f"{seen}{why} at step {entry['step']:.0f} ({n} held-out answers): over-tuned, the start is kept",)
