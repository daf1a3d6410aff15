"""The numbers that the rules of the pre-flight read, each with what it is of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tunesmith.costs.sensible import sensible
from tunesmith.train.examined import ANSWERED, CLOSED, JSON, SPACE, SYSTEM, Examined

Measured = tuple[float | None, str]  # the number (None: the rule does not apply), and what it is of
RARE = 0.1  # a way to end answers that fewer rows have is taken for a slip, not for a style
FAULTS = 3  # ids that are told


@dataclass(frozen=True)
class Facts:
    """What the rules read: the rows as examined, and what the recipe and the base say."""

    rows: Examined
    goal: str = "task"
    epochs: float | None = None
    validation: int = 0  # rows
    whole: bool = True  # all rows were read; False in a rehearsal on the first ones
    template_faults: tuple[str, ...] = ()
    tuned: tuple[bool, str] | None = None  # whether the base follows instructions, and what says so; None: no base
    test: int | None = None  # rows held out for evaluation
    near: tuple[int, int] | None = None  # scored rows that overlap rows trained on, and scored rows
    trainer: str = "sft"
    scratch: bool = False  # it starts from random weights


def _share(facts: Facts, count: int, told: str, fault: str = "") -> Measured:
    """A share of the rows, told as counts, with the ids of some."""
    rows = facts.rows.rows
    ids = facts.rows.faulty.get(fault, []) if count else []
    such = f", such as {', '.join(each[:12] for each in ids[:FAULTS])}" if any(ids) else ""
    return count / rows, f"{count:,} of {_of_rows(facts)} ({count / rows:.1%}) {told}{such}"


def _of_rows(facts: Facts) -> str:
    what = "documents" if facts.rows.learns == "texts" else "rows"
    return f"{facts.rows.rows:,} {what}" + ("" if facts.whole else " of the first rows")


def stop_trained(facts: Facts) -> Measured:
    """Rows in which an answer ends without learning a stop token."""
    rows = facts.rows
    stops = ", ".join(map(repr, rows.stops)) or "none"
    ends = f"end without learning a stop token (known: {stops}; most end with {rows.last!r})"
    return _share(facts, rows.unstopped, ends if rows.unstopped else f"do not end with {stops}", "unstopped")


def pad_is_stop(facts: Facts) -> Measured:
    """1 where padding is the stop token."""
    rows = facts.rows
    if rows.pad is None:
        return 1, f"the tokenizer has no padding token, so that the stop token {rows.eos!r} would pad"
    same = rows.pad == rows.eos
    return float(same), f"padding is {rows.pad!r}, the stop token is {rows.eos!r}"


def template_parity(facts: Facts) -> Measured:
    """Ways in which chats may be rendered otherwise than the model learns them."""
    rows, faults = facts.rows, list(facts.template_faults)
    if rows.unequal_prompts:
        faults.append(f"{rows.unequal_prompts} of {rows.compared} rows do not begin with their prompt as it is served")
    same = f"{rows.compared} rows begin with their prompt as it is served; template {rows.template[:12]}"
    return len(faults), "; ".join(faults) or same


def too_long(facts: Facts) -> Measured:
    """Rows that do not fit."""
    rows = facts.rows
    told = f"have more than {rows.limit:,} tokens and are left out (longest {rows.longest:,})"
    return _share(facts, rows.too_long, told, "too_long")


def unanswered(facts: Facts) -> Measured:
    """Rows without a token to learn."""
    rows = facts.rows
    if rows.learns == "texts":
        return _share(facts, rows.unanswered, "have no text and are left out", "unanswered")
    learnt = f"; {rows.trained:,} of {rows.tokens:,} tokens are learnt"
    share, why = _share(facts, rows.unanswered, "have no token to learn and are left out", "unanswered")
    return share, why + learnt


def control_tokens(facts: Facts) -> Measured:
    """Rows whose texts hold control tokens."""
    rows = facts.rows
    found = ", ".join(f"{token!r} in {count:,}" for token, count in list(rows.controls.items())[:FAULTS])
    told = "hold the text of a control token" + (f" ({found})" if found else "")
    share, why = _share(facts, rows.controlled, told, "controlled")
    return (None, f"{why}; it is learnt as text, not as a control token") if rows.learns == "texts" else (share, why)


def copies(facts: Facts) -> Measured:
    """Rows that repeat an earlier one."""
    what = {"texts": "to the letter", "prompts": "prompt and all"}.get(facts.rows.learns, "prompt and answer")
    return _share(facts, facts.rows.copies, f"repeat an earlier one, {what}")


def odd_format(facts: Facts) -> Measured:
    """The largest minority: rows that differ from most in what all should have in common."""
    total = facts.rows.rows
    found: list[tuple[float, str]] = [(0.0, "all rows agree")]
    for trait in (SYSTEM, ANSWERED, JSON, SPACE, CLOSED):
        having = facts.rows.traits.get(trait, 0)
        odd = min(having, total - having) / total
        if odd and (trait != CLOSED or odd <= RARE):
            found.append((odd, f"{having:,} of {_of_rows(facts)} have {trait}"))
    told = "; ".join(why for _, why in found[1:]) or found[0][1]
    return max(odd for odd, _ in found), told


def leaked(part: str) -> Callable[[Facts], Measured]:
    """What counts the questions of a part that are trained on."""

    def measure(facts: Facts) -> Measured:
        if part not in facts.rows.leaked:
            return None, f"there are no {part} rows"
        count = facts.rows.leaked[part]
        ids = facts.rows.faulty.get(f"leaked_{part}", [])
        such = f", such as in {', '.join(each[:12] for each in ids)}" if any(ids) else ""
        of = facts.test if part == "test" else facts.validation
        what = "questions or documents" if facts.rows.learns == "texts" else "questions"
        return count, f"{count:,} {what} of {of:,} {part} rows stand among the rows trained on{such}"

    return measure


def near_overlap(facts: Facts) -> Measured:
    """Scored rows that overlap rows trained on."""
    if facts.near is None:
        return None, "not measured here; the evaluation measures it"
    hit, rows = facts.near
    return hit / rows, f"{hit:,} of {rows:,} scored rows share most of their words with a row trained on"


def examples(facts: Facts) -> Measured:
    """Rows to train on."""
    if not facts.whole:
        return None, f"{_of_rows(facts)} were read"
    return facts.rows.rows, f"{facts.rows.rows:,} rows to train on"


def tokens(facts: Facts) -> Measured:
    """Tokens of text to learn from."""
    if not facts.whole:
        return None, f"{_of_rows(facts)} were read"
    return facts.rows.tokens, f"{facts.rows.tokens:,} tokens in {_of_rows(facts)}"


def pretraining(facts: Facts) -> Measured:
    """1 where there is as much text as pre-training asks for; it applies to a new model only."""
    if facts.trainer != "pretrain" or not facts.scratch:
        return None, "no new model is pre-trained"
    if not facts.whole:
        return None, f"{_of_rows(facts)} were read"
    sense = sensible(unique_tokens=facts.rows.tokens)
    told = "; ".join(f"{one.name}: {one.asks} ({one.known})" for one in sense.conditions)
    return float(all(one.state != "not met" for one in sense.conditions)), f"{sense.advice} It asks for {told}"


def instruction_tuned(facts: Facts) -> Measured:
    """1 where something says that the base follows instructions."""
    if facts.tuned is None:
        return None, "it starts from random weights or from a step of this recipe"
    return float(facts.tuned[0]), facts.tuned[1]


def validation_rows(facts: Facts) -> Measured:
    """Rows for validation."""
    if not facts.whole and not facts.validation:
        return None, "none among the first rows"
    return facts.validation, f"{facts.validation:,} rows for validation"


def epochs(facts: Facts) -> Measured:
    """How often a row is seen."""
    if facts.epochs is None or not facts.whole:
        return None, "depends on all rows" if not facts.whole else "the trainer computes it"
    return round(facts.epochs, 3), f"each row is seen {facts.epochs:.1f} times"


def knowledge(facts: Facts) -> Measured:
    """1 where facts are to be taught."""
    return float(facts.goal == "knowledge"), f"the goal is {facts.goal}"


def equal_pairs(facts: Facts) -> Measured:
    """Pairs of equal answers."""
    if not facts.rows.pairs:
        return None, "there are no pairs"
    return _share(facts, facts.rows.equal_pairs, "have the same chosen and rejected answer", "equal_pairs")


def longer_chosen(facts: Facts) -> Measured:
    """Pairs whose chosen answer is the longer one."""
    pairs, longer = facts.rows.pairs, facts.rows.longer_chosen
    if not pairs:
        return None, "there are no pairs"
    share = longer / pairs
    return share, f"the chosen answer is the longer one in {longer:,} of {pairs:,} pairs ({share:.1%})"
