"""The rules of the pre-flight: one number each, and the bounds beyond which a training is warned of or refused.

What is measured lies in `Facts`; a rule reads one number from it. A bound is beyond argument only until a recipe
waives the rule in writing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from tunesmith.core.bound import Bound
from tunesmith.train import preflight_numbers as numbers
from tunesmith.train.job import Learns
from tunesmith.train.preflight_numbers import Facts, Measured

State = Literal["passed", "warned", "refused", "waived", "not applicable"]
LEAST, SOME = 100, 1000
LEAST_TOKENS = 1_000_000
ANSWERS: tuple[Learns, ...] = ("chats", "pairs")
ASKED: tuple[Learns, ...] = (*ANSWERS, "prompts")
TEXTS: tuple[Learns, ...] = ("texts",)
ALL: tuple[Learns, ...] = (*ASKED, *TEXTS)


@dataclass(frozen=True)
class Rule:
    """One rule: what it measures, the bounds on it, and why it exists."""

    name: str  # what a waiver calls it
    title: str
    reason: str
    mend: str
    measure: Callable[[Facts], Measured]
    warn: Bound | None = None
    refuse: Bound | None = None
    of: tuple[Learns, ...] = ANSWERS  # what a trainer that it applies to learns


@dataclass(frozen=True)
class Result:
    """A rule put to the facts."""

    rule: str
    title: str
    state: State
    value: float | None
    bound: str  # the one that decided, or that the number was held against
    why: str
    reason: str
    mend: str

    def as_json(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self)


def decide(facts: Facts, waived: Mapping[str, str]) -> list[Result]:
    """Every rule with its state; `waived` maps rules to the reason why they may be broken."""
    return [_decide(rule, facts, waived.get(rule.name)) for rule in RULES]


def _decide(rule: Rule, facts: Facts, waiver: str | None) -> Result:
    if facts.rows.learns not in rule.of:
        why = f"it is no rule for a trainer of {facts.rows.learns}"
        return Result(rule.name, rule.title, "not applicable", None, "", why, rule.reason, rule.mend)
    value, why = rule.measure(facts)
    state, bound = _state(rule, value)
    if waiver is not None and state in ("warned", "refused"):
        state, why = "waived", f"{waiver} ({why})"
    return Result(rule.name, rule.title, state, value, bound, why, rule.reason, rule.mend)


def _state(rule: Rule, value: float | None) -> tuple[State, str]:
    if value is None:
        return "not applicable", ""
    if rule.refuse is not None and rule.refuse.fault(value):
        return "refused", str(rule.refuse)
    if rule.warn is not None and rule.warn.fault(value):
        return "warned", str(rule.warn)
    return "passed", str(rule.warn or rule.refuse)


def rule_names() -> list[str]:
    """What a waiver can name."""
    return [rule.name for rule in RULES]


NONE = Bound(max=0)
RULES = (
    Rule(
        "eos_trained", "Every answer ends with a stop token that is learnt",
        "A model that never learns its stop token never stops answering.",
        "Let the template's {% generation %} block hold the stop token, or name what ends turns as eos_token.",
        numbers.stop_trained, refuse=NONE,
    ),
    Rule(
        "pad_is_eos", "Padding is not the stop token",
        "Here padding is masked by place; but whatever masks by the padding token's id, later or elsewhere, masks the "
        "stop token with it, and the model unlearns to stop.",
        "Name another token of the vocabulary as pad_token in the base's tokenizer_config.json.",
        numbers.pad_is_stop, refuse=NONE, of=ASKED,
    ),
    Rule(
        "template", "The template that trains is the template that serves",
        "A model asked in another frame than it learnt answers worse, and nothing says so.",
        "Put the base's chat template back as it was, in one file; its generation prompt must be how answers begin.",
        numbers.template_parity, refuse=NONE, of=ASKED,
    ),
    Rule(
        "truncation", "Rows fit into the model",
        "Rows that are too long are left out: what remains is another data set than the one that was meant.",
        "Raise max_length (or init.length), shorten the rows, or bound their length in the data list.",
        numbers.too_long, warn=NONE, refuse=Bound(max=0.05), of=ASKED,
    ),
    Rule(
        "trained_tokens", "Every row has something to learn",
        "A row without an assistant's turn, or a document without text, teaches nothing and is left out.",
        "End every row with an assistant message, or drop such rows in the data list.",
        numbers.unanswered, warn=NONE, refuse=Bound(max=0.05), of=(*ANSWERS, *TEXTS),
    ),
    Rule(
        "control_tokens", "No control tokens inside texts",
        "Who writes a control token may take over the system's turn, and a model trained on such rows learns to obey.",
        "Drop these rows: - {signal: regex, as: control, pattern: '<\\|\\w+\\|>', on: whole, keep: {max: 0}}.",
        numbers.control_tokens, refuse=NONE, of=ALL,
    ),
    Rule(
        "duplicates", "Few rows are duplicates",
        "Rows that come again and again are learnt by heart, and weigh more than anyone chose.",
        "Add - pass: exact_dedup; to weigh rows on purpose, use weight: or a mix.",
        numbers.copies, warn=Bound(max=0.01), refuse=Bound(max=0.05), of=ALL,
    ),
    Rule(
        "consistent_format", "Rows have one format",
        "What a few rows have and most have not (a system turn, JSON, space around the answer, a full stop at its end) "
        "comes back at random in answers.",
        "Look at the rows in the minority and bring them to the form of the others.",
        numbers.odd_format, warn=Bound(max=0.01),
    ),
    Rule(
        "overlap", "No test question or document is trained on",
        "A score on rows that were trained on measures memory, and a gate that passes it passes anything.",
        "Drop them: - {pass: exact_dedup, by: prompt, against: TEST_LIST}; or split by group.",
        numbers.leaked("test"), refuse=NONE, of=ALL,
    ),
    Rule(
        "validation_overlap", "No validation question or document is trained on",
        "Validation loss on rows that were trained on falls while the model gets worse, and it chooses the weights.",
        "Add - {pass: exact_dedup, by: prompt} before the split, or split by group.",
        numbers.leaked("validation"), warn=NONE, of=ALL,
    ),
    Rule(
        "near_overlap", "Few test rows resemble rows trained on",
        "Near copies of test rows flatter a score as copies do; the evaluation shows the clean rows beside all.",
        "Add - {pass: near_dedup} before the split, and keep near_duplicates together in it.",
        numbers.near_overlap, warn=Bound(max=0.01), of=ALL,
    ),
    Rule(
        "examples_least", "There are enough examples",
        "From fewer than a hundred a model learns the examples; below a thousand the gain is often within the noise.",
        "Collect more, or put the examples into the prompt.",
        numbers.examples, warn=Bound(min=SOME), refuse=Bound(min=LEAST), of=ASKED,
    ),
    Rule(
        "instruction_tuned", "The base follows instructions",
        "A base model that never learnt to answer needs far more examples than one that did.",
        "Start from the instruction-tuned variant of the base.",
        numbers.instruction_tuned, warn=Bound(min=1), of=ASKED,
    ),
    Rule(
        "validation_set", "There are validation rows",
        "Without them nobody sees when a model begins to learn rows by heart, and no weights can be chosen.",
        "Add validation: 0.1 to the parts of the list's split.",
        numbers.validation_rows, refuse=Bound(min=1), of=ALL,
    ),
    Rule(
        "epochs_most", "Rows are seen at most three times",
        "Beyond three epochs a model learns rows by heart; validation loss tells when.",
        "Give fewer steps or epochs, or more rows.",
        numbers.epochs, warn=Bound(max=3),
    ),
    Rule(
        "text_epochs_most", "Text is seen at most four times",
        "Up to four epochs repeated text is worth almost as much as new text; beyond that it soon is worth nothing "
        "(Muennighoff et al. 2023).",
        "Give fewer tokens, steps or epochs, or more text.",
        numbers.epochs, warn=Bound(max=4), of=TEXTS,
    ),
    Rule(
        "tokens_least", "There is enough text",
        "Below a million tokens a model learns the texts, not the language.",
        "Collect more text; to tune how a model answers, use sft.",
        numbers.tokens, warn=Bound(min=LEAST_TOKENS), of=TEXTS,
    ),
    Rule(
        "pretraining_sensible", "Pre-training a new model is sensible",
        "It almost never is: it takes a new architecture or a closed ecosystem, 10B+ unique tokens, $100M+ at the "
        "scale of frontier models and 6+ months, all of them. Else a model that exists is better, and costs less.",
        "Start from a model that exists, and tune it; or say in a waiver what the small model is for.",
        numbers.pretraining, warn=Bound(min=1), of=TEXTS,
    ),
    Rule(
        "knowledge", "The goal is not knowledge",
        "Fine-tuning teaches how to answer, not what is true: facts are learnt badly, age, and are made up. "
        "Retrieval (RAG) answers from documents that can be changed and cited.",
        "Put the documents into retrieval; to tune how answers sound or are formed, say goal: style or goal: format.",
        numbers.knowledge, refuse=NONE, of=ALL,
    ),
    Rule(
        "equal_pairs", "Pairs differ",
        "A pair of equal answers prefers nothing and costs a step.",
        "Drop pairs whose chosen and rejected answers are the same.",
        numbers.equal_pairs, warn=NONE, refuse=Bound(max=0.05), of=("pairs",),
    ),
    Rule(
        "longer_chosen", "Chosen answers are not merely longer",
        "Where the longer answer nearly always wins, length is what is learnt.",
        "Add pairs in which the shorter answer is chosen, or use a method that is normalised by length.",
        numbers.longer_chosen, warn=Bound(max=0.8), of=("pairs",),
    ),
)  # fmt: skip


def rules_table() -> list[str]:
    """The rules as lines of a Markdown table, for docs/preflight.md."""
    head = [
        "| rule | what holds | of | warned beyond | refused beyond | why it matters |",
        "|---|---|---|---|---|---|",
    ]
    return head + [
        f"| `{rule.name}` | {rule.title} | {'all' if rule.of == ALL else ', '.join(rule.of)} | {rule.warn or '–'} "
        f"| {rule.refuse or '–'} | {rule.reason} |"
        for rule in RULES
    ]
