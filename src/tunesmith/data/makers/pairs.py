"""Conversations become preference pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tunesmith.core.record import message

VERSION = 1


def pairs(
    record: Mapping[str, object], *, by: Callable[[Mapping[str, object]], str | None]
) -> Iterator[dict[str, object]]:
    """A pair of the answer that `by` gives for the record (chosen) and the record's own (rejected).

    Where `by` gives None, or the very answer that is there, no pair is made. The chosen answer becomes `target`.

    >>> chat = {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "four"}]}
    >>> [(pair["chosen"][0]["content"], pair["rejected"][0]["content"]) for pair in pairs(chat, by=lambda _: "4")]
    [('4', 'four')]
    >>> list(pairs(chat, by=lambda _: None))
    []
    """
    *prompt, answer = _turns(record)
    better = by(record)
    if better is None or better == answer["content"]:
        return
    yield {
        "messages": prompt,
        "chosen": [message("assistant", better)],
        "rejected": [answer],
        "target": better,
        "tools": record.get("tools"),
        "meta": record.get("meta"),
    }


def _turns(record: Mapping[str, object]) -> list[Mapping[str, object]]:
    turns = record.get("messages")
    if not isinstance(turns, list) or not turns or turns[-1]["role"] != "assistant":
        raise ValueError("the record is no conversation that ends with the assistant's answer; edit: to_chat makes one")
    return turns
