"""Documents become conversations."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

from tunesmith.core.errors import UserError
from tunesmith.core.record import message

VERSION = 1


def to_chat(
    record: Mapping[str, object], *, user: str = "{prompt}", assistant: str = "{text}", system: str | None = None
) -> dict[str, object]:
    """A conversation of one question and its answer, written by templates over the record's columns and its meta.

    The answer becomes `target` as well; the document's `text` is left out, since the conversation carries it.
    Raises UserError, naming the fields that there are, if a template names another.

    >>> record = {"text": "Paris.", "meta": {"prompt": "The capital of France?"}}
    >>> [turn["content"] for turn in to_chat(record)["messages"]]
    ['The capital of France?', 'Paris.']
    >>> to_chat(record, user="Q: {prompt}")["messages"][0]
    {'role': 'user', 'content': 'Q: The capital of France?'}
    >>> to_chat(record, system="Be brief.")["messages"][0]
    {'role': 'system', 'content': 'Be brief.'}
    """
    fields = _fields(record)
    answer = _filled(assistant, fields)
    turns = [message("user", _filled(user, fields)), message("assistant", answer)]
    first = [] if system is None else [message("system", _filled(system, fields))]
    return {"messages": [*first, *turns], "target": answer, "text": None}


def _fields(record: Mapping[str, object]) -> dict[str, object]:
    """What templates can name: every text and number of the record's columns, then of its meta."""
    meta = record.get("meta")
    both = {**(meta if isinstance(meta, Mapping) else {}), **{key: v for key, v in record.items() if v is not None}}
    return {str(name): value for name, value in both.items() if isinstance(value, str | int | float)}


def _filled(template: str, fields: Mapping[str, object]) -> str:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise UserError(
            f"to_chat: {template!r} is no template: {error}.", "A brace itself is written {{ or }}."
        ) from None
    filled = []
    for literal, name, _, _ in parts:
        filled.append(literal)
        if name is not None:
            filled.append(_value(name, template, fields))
    return "".join(filled)


def _value(name: str, template: str, fields: Mapping[str, object]) -> str:
    if name not in fields:
        hint = f"Fields there: {', '.join(sorted(fields))}."
        raise UserError(f"to_chat: {template!r} names {name!r}, which this record does not have.", hint)
    return str(fields[name])
