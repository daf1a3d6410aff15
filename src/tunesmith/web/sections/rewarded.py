"""What learning from a reward came to: the numbers of held-out answers, what was refused, and answers to read."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.web.html import Html, breakable, folded, join, table, tag
from tunesmith.web.page import Section, card
from tunesmith.web.read import amount, count, mapping, mappings, named
from tunesmith.web.words import decimal, plain

SHOWN = 4
NUMBERS = {  # of held-out answers, and what people call them
    "reward": "reward, sampled answers",
    "greedy_reward": "reward, greedy answers",
    "kl": "KL to the start, nats an answer (k1)",
    "kl_k3": "KL to the start, nats an answer (k3)",
    "meaning": "meaning (ROUGE-L to the expected answers)",
    "words": "words, greedy answers",
    "tokens": "tokens, sampled answers",
    "distinct": "distinct answers to a prompt",
    "distinct_2": "distinct pairs of words",
    "truncated": "share of answers cut off",
}
Fields = Mapping[str, object]


def rewarded(report: Fields) -> Section | None:
    """Every train step that learnt from a reward."""
    parts = [_step(str(name), fields) for name, fields in named(report.get("rewarded"))]
    lead = "A reward is a measure, and what is paid by a measure comes to game it: read the answers."
    return Section("rewarded", "Learning from a reward", join(parts), lead) if parts else None


def _step(name: str, fields: Fields) -> Html:
    begin, end = mapping(fields.get("start")), mapping(fields.get("end"))
    rows = [
        (
            told,
            *(
                decimal(value, 3) if value is not None else ""
                for value in (amount(begin.get(key)), amount(end.get(key)))
            ),
        )
        for key, told in NUMBERS.items()
        if key in begin
    ]
    kept = count(fields.get("kept"))
    title = f"{name}: {count(fields.get('prompts'))} held-out prompts, at the start and at the step kept"
    parts = [card(table(title, ("measured", "start", f"step {kept}" if kept else "kept: the start"), rows))]
    if refused := mappings(fields.get("refused")):
        why = (
            (plain(one.get("step")), decimal(amount(one.get("reward")), 3), str(one.get("why", ""))) for one in refused
        )
        parts.append(card(table(f"Measurements of {name} that were refused", ("step", "reward", "why"), why)))
    cards = [_sample(each) for each in mappings(fields.get("samples"))]
    parts.append(tag("div", *cards[:SHOWN], class_="examples"))
    if cards[SHOWN:]:
        parts.append(folded(f"{len(cards) - SHOWN} more answers", tag("div", *cards[SHOWN:], class_="examples")))
    return join([tag("h3", breakable(name), " ", tag("small", str(fields.get("method", "")))), *parts])


def _sample(each: Fields) -> Html:
    said = [
        (f"{when}, reward {decimal(amount(each.get(f'{key}_reward')), 3)}", str(each.get(key, "")))
        for when, key in (("start", "before"), ("end", "after"))
    ]
    rows = [("expected", str(each["expected"])), *said] if each.get("expected") else said
    answers = (tag("div", tag("dt", who), tag("dd", text or "(empty)", dir="auto")) for who, text in rows)
    return card(tag("pre", str(each.get("prompt", "")), dir="auto"), tag("dl", *answers), class_="example")
