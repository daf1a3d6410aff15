"""What rows look like to a model before it learns from them: measured once, on a CPU, with the tokenizer alone."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat
from tunesmith.models.chat import Tokens, render_all, template_hash
from tunesmith.models.conversation import conversation_of
from tunesmith.models.rows import asked_of
from tunesmith.train.examined import Examined, histogram_of, quantiles_of, traits_of
from tunesmith.train.job import Learns, Row
from tunesmith.train.marks import answers_end, control_pattern, parity_faults, runs_of, spans_of
from tunesmith.train.noted import Held, Noted, number_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

AT_ONCE = 1000  # rows rendered together
LEFT_OUT = 5  # rows that people see
PARITY = 100  # rows whose prompt is rendered a second time, as a server would
SHOWN = 200  # characters of a row that is left out


def examine(
    tokenizer: PreTrainedTokenizerFast,
    rows: Iterable[Row],
    *,
    limit: int,
    learns: Learns = "chats",
    stops: Iterable[int] = (),
    held: Held | None = None,
    seed: int = 0,
    clean: Callable[[str], str] = str,
) -> Examined:
    """Go once through the rows as a trainer of chats, pairs or prompts would render them.

    limit is the most tokens a row may have. Of pairs both answers count; to a trainer of chats a pair is its chosen
    answer; of a prompt nothing is learnt by itself. stops are ids that end an answer beside the tokenizer's own. held
    names the questions (`question_key`) of rows held out. clean is put over every text that is kept for people.
    """
    noted = Noted(held or {}, seed)
    seen = _Seen(tokenizer, limit, learns, frozenset(stops) | _own_stop(tokenizer), noted, clean)
    for batch in _batches(rows):
        seen.add(batch)
    if not seen.lengths:
        raise UserError("There are no rows to examine.", "Look at what was dropped from the list.")
    return seen.examined()


def _own_stop(tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    own = cast("int | None", tokenizer.eos_token_id)
    return frozenset() if own is None else frozenset({own})


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def sides_of(row: Row, learns: Learns) -> list[Chat]:
    """The chats that a row stands for: one, or the chosen and the rejected one of a pair, or the prompt alone."""
    if learns == "prompts":
        return [asked_of(row)]
    columns = [name for name in ("chosen", "rejected") if row.get(name)] if learns == "pairs" else ["chosen"]
    return [conversation_of(row, name if row.get(name) else None) for name in columns or ["chosen"]]


@dataclass
class _Seen:
    """What has been seen so far."""

    tokenizer: PreTrainedTokenizerFast
    limit: int
    learns: Learns
    stops: frozenset[int]
    noted: Noted
    clean: Callable[[str], str]
    lengths: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("Q"))
    controls: Counter[str] = field(default_factory=Counter)
    traits: Counter[str] = field(default_factory=Counter)
    lasts: Counter[int] = field(default_factory=Counter)
    left_out: list[dict[str, object]] = field(default_factory=list)
    weight: float = 0.0

    def __post_init__(self) -> None:
        self.counts, self.fault = self.noted.counts, self.noted.fault
        special = {str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        self.in_prompts = control_pattern({*special, *self.tokenizer.all_special_tokens})
        ends = [cast("str", self.tokenizer.convert_ids_to_tokens(stop)) for stop in sorted(self.stops)]
        self.in_answers = control_pattern([end for end in ends if end])

    def add(self, batch: Sequence[Row]) -> None:
        """Render some rows and measure each."""
        chats = [sides_of(row, self.learns) for row in batch]
        every = [chat for sides in chats for chat in sides]
        rendered = iter(render_all(self.tokenizer, every, answer=self.learns != "prompts"))
        tokens = [[next(rendered) for _ in sides] for sides in chats]
        if self.counts["compared"] < PARITY:
            self._compare_prompts(batch, chats, tokens)
        for row, sides, of_sides in zip(batch, chats, tokens, strict=True):
            self._measure(row, of_sides)
            self._read(row, sides)

    def _compare_prompts(self, batch: Sequence[Row], chats: list[list[Chat]], tokens: list[list[Tokens]]) -> None:
        chosen = [(row, sides[0], of[0]) for row, sides, of in zip(batch, chats, tokens, strict=True)][:PARITY]
        asked = [(row, chat, of) for row, chat, of in chosen if len(chat) > 1 and chat[-1]["role"] == "assistant"]
        self.counts["compared"] += len(asked)
        faults = parity_faults(self.tokenizer, [chat for _, chat, _ in asked], [of for _, _, of in asked])
        for place in faults:
            self.fault("unequal_prompts", asked[place][0])

    def _measure(self, row: Row, sides: Sequence[Tokens]) -> None:
        """What can be told by the tokens."""
        longest = max(sides, key=lambda side: len(side.ids))
        self.lengths.append(len(longest.ids))
        self.weight += 1.0 if row.get("weight") is None else float(cast("float", row["weight"]))
        runs = [run for side in sides for run in (runs_of(side)[-1:] if self.learns == "pairs" else runs_of(side))]
        if len(longest.ids) > self.limit:
            self.fault("too_long", row)
            self._leave_out(row, len(longest.ids))
        else:
            self.counts["tokens"] += sum(len(side.ids) for side in sides)
            self.counts["trained"] += sum(map(len, runs))
        if self.learns != "prompts" and not all(any(side.mask[1:]) for side in sides):
            self.fault("unanswered", row)
        elif not all(answers_end(self.tokenizer, run, self.stops) for run in runs):
            self.fault("unstopped", row)
        self.lasts.update(run[-1] for run in runs[-1:])
        self.noted.draw(row, lambda: spans_of(self.tokenizer, sides[0]))

    def _read(self, row: Row, sides: Sequence[Chat]) -> None:
        """What can be told by the texts."""
        texts = [[turn["content"] or "" for turn in chat] for chat in sides]
        self.keys.append(number_of([*texts[0], "", *(texts[1] if len(texts) > 1 else [])]))
        self._find_controls(row, sides)
        self.noted.look_for_leaks(row)
        if len(texts) > 1:
            chosen, rejected = (turns[-1] for turns in texts)
            self.counts["pairs"] += 1
            self.counts["longer_chosen"] += len(chosen) > len(rejected)
            if chosen == rejected:
                self.fault("equal_pairs", row)
        self.traits.update(traits_of(sides[0]))

    def _find_controls(self, row: Row, sides: Sequence[Chat]) -> None:
        found = {
            token
            for chat in sides
            for turn in chat
            for token in (self.in_answers if turn["role"] == "assistant" else self.in_prompts)(turn["content"] or "")
        }
        self.controls.update(found)
        if found:
            self.fault("controlled", row)

    def _leave_out(self, row: Row, length: int) -> None:
        if len(self.left_out) < LEFT_OUT:
            turns = cast("list[Mapping[str, str]]", row["messages"])
            text = next((turn["content"] or "" for turn in turns if turn["role"] == "user"), "")
            shown = {"id": str(row.get("id", "")), "tokens": length, "text": self.clean(text)[:SHOWN]}
            self.left_out.append(shown)

    def examined(self) -> Examined:
        """All that was seen."""
        lengths = np.array(self.lengths, np.int64)
        keys = np.array(self.keys, np.uint64)
        names = {"too_long", "unanswered", "unstopped", "unequal_prompts", "compared", "controlled", "pairs"}
        names |= {"equal_pairs", "longer_chosen", "tokens", "trained"}
        last = self.lasts.most_common(1)
        return Examined(
            rows=len(lengths),
            limit=self.limit,
            weight=self.weight,
            longest=int(lengths.max()),
            quantiles=quantiles_of(lengths),
            histogram=histogram_of(lengths, self.limit),
            last=self._token(last[0][0]) if last else "",
            stops=[self._token(stop) for stop in sorted(self.stops)],
            eos=self.tokenizer.eos_token,
            pad=self.tokenizer.pad_token,
            template=template_hash(self.tokenizer),
            controls=dict(sorted(self.controls.items())),
            copies=len(keys) - len(np.unique(keys)),
            traits=dict(sorted(self.traits.items())),
            leaked=self.noted.leaked,
            faulty=self.noted.faulty,
            left_out=self.left_out,
            examples=self.noted.examples(self.clean),
            learns=self.learns,
            **{name: self.counts[name] for name in names},
        )

    def _token(self, token: int) -> str:
        return cast("str", self.tokenizer.decode([token], clean_up_tokenization_spaces=False))
