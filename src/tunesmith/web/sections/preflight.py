"""What the pre-flight found: its rules, how long the rows are, and what a model is made to learn of ten of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.web.draw import histogram
from tunesmith.web.html import Html, breakable, folded, join, table, tag
from tunesmith.web.page import Section, card, pill
from tunesmith.web.read import amount, amounts, count, mapping, mappings, named, sequence
from tunesmith.web.words import grouped, plain, share

KINDS = {"passed": "passed", "warned": "waiting", "waived": "waiting", "refused": "failed"}
ORDER = ("refused", "warned", "waived", "passed", "not applicable")
SHOWN = 2  # examples that stand open
Fields = Mapping[str, object]


def preflight(report: Fields) -> Section | None:
    """The pre-flight of every train step."""
    steps = [_step(name, fields) for name, fields in named(report.get("preflight"))]
    lead = (
        "What silently ruins a fine-tuning, looked for before a step is trained. A recipe can waive a rule in writing."
    )
    return Section("preflight", "Pre-flight", join(steps), lead) if steps else None


def _step(name: str, fields: Fields) -> Html:
    what = "documents" if fields.get("learns") == "texts" else "rows"
    rows, left = count(fields.get("rows")), count(fields.get("too_long")) + count(fields.get("unanswered"))
    gone = f"{grouped(left)} left out" if left else "none left out"
    heading = tag("h3", breakable(name), " ", tag("small", f"{grouped(rows)} {what} · {gone} · {_learnt(fields)}"))
    parts = tag("div", _lengths(name, fields), _rules(name, fields), class_="flow")
    return join([heading, parts, _left_out(fields), _examples(fields)])


def _learnt(fields: Fields) -> str:
    tokens, learnt = count(fields.get("tokens")), count(fields.get("trained"))
    return f"{grouped(learnt)} of {grouped(tokens)} tokens are learnt ({share(learnt, tokens)})"


def _rules(name: str, fields: Fields) -> Html:
    given = mappings(fields.get("rules"))
    states = [str(each.get("state")) for each in given]
    tally = ", ".join(f"{states.count(state)} {state}" for state in ORDER if state in states)
    loud, quiet = (
        [each for each in given if (str(each.get("state")) in ORDER[:3]) is wanted] for wanted in (True, False)
    )
    loud.sort(key=lambda each: ORDER.index(str(each.get("state"))))
    header = ("rule", "state", "found", "why it matters")
    shown = [table(f"{name} · {tally}", header, map(_rule, loud), class_="rules")] if loud else []
    rest = table("Rules that hold or do not apply", header, map(_rule, quiet), class_="rules")
    folded_rest = folded(f"{len(quiet)} rules that hold or do not apply", rest) if loud else rest
    return card(*shown, folded_rest if quiet else "", class_="ruled")


def _rule(each: Fields) -> tuple[object, ...]:
    state = str(each.get("state", ""))
    rule = join([str(each.get("title", "")), tag("small", tag("code", str(each.get("rule", ""))))])
    value, bound = amount(each.get("value")), str(each.get("bound") or "")
    held = "" if value is None else tag("small", f"{plain(value)}, bound {bound}" if bound else plain(value))
    return (
        rule,
        pill(state, KINDS.get(state, "open")),
        join([str(each.get("why", "")), held]),
        str(each.get("reason", "")),
    )


def _lengths(name: str, fields: Fields) -> Html:
    """The tokens of the rows as a picture, with the limit where it lies within it."""
    drawn = mapping(fields.get("histogram"))
    edges, counts = ([amount(each) or 0.0 for each in sequence(drawn.get(key))] for key in ("edges", "counts"))
    if not counts or len(edges) != len(counts) + 1:
        return Html("")
    limit, longest = count(fields.get("limit")), count(fields.get("longest"))
    quantiles = ", ".join(f"{key} {grouped(value)}" for key, value in amounts(fields.get("quantiles")).items())
    texts = fields.get("learns") == "texts"
    what, holds = ("document", "a window holds at most") if texts else ("row", "a row may have")
    told = f"{quantiles}, longest {grouped(longest)}; {holds} {grouped(limit)}"
    caption = tag("figcaption", tag("b", f"tokens of a {what}"), tag("small", told))
    alt = f"{name}: {what}s by their number of tokens; {told}"
    bounds = {} if texts else {"max": limit}
    return tag("figure", caption, histogram(edges, counts, bounds, alt=alt), class_="card")


def _left_out(fields: Fields) -> Html:
    rows = mappings(fields.get("left_out"))
    if not rows:
        return Html("")
    lines = (
        (
            tag("code", str(row.get("id"))[:12]),
            _text(str(row.get("text", ""))),
            f"{grouped(count(row.get('tokens')))} tokens",
        )
        for row in rows
    )
    total = grouped(count(fields.get("too_long")))
    return folded(
        f"{len(rows)} of {total} rows that are too long",
        table("Left out", ("id", "text", "length"), lines, class_="rows"),
    )


def _text(text: str) -> Html:
    return tag("span", text, class_="text", dir="auto")


def _examples(fields: Fields) -> Html:
    """Rows as the model sees them, with what it learns marked."""
    cards = [
        card(tag("pre", *_spans(each), dir="auto"), class_="example marked")
        for each in mappings(fields.get("examples"))
    ]
    if not cards:
        return Html("")
    legend = tag("p", "Rows as the model sees them: ", tag("mark", "what it learns"), " is marked.", class_="lead")
    shown, others = (tag("div", *part, class_="examples") for part in (cards[:SHOWN], cards[SHOWN:]))
    rest = folded(f"{len(cards) - SHOWN} more", others) if cards[SHOWN:] else ""
    return join([legend, shown, rest])


def _spans(each: Fields) -> list[Html | str]:
    return [tag("mark", text) if learnt else text for text, learnt in spans_of(each)]


def spans_of(example: Fields) -> list[tuple[str, bool]]:
    """The texts of an example, and whether each is learnt."""
    pairs = [sequence(pair) for pair in sequence(example.get("spans"))]
    return [(str(pair[0]), bool(pair[1])) for pair in pairs if len(pair) == 2]


def ordered(rules: Sequence[Fields]) -> list[Fields]:
    """Rules with those that refuse first and those that do not apply last."""
    return sorted(rules, key=lambda each: ORDER.index(str(each.get("state"))))
