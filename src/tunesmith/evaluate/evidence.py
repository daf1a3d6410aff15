"""What a run has to show, and what each item of the checklists finds in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

State = Literal["done", "failed", "waived", "not yet measured"]
Finding = tuple[State, str]  # with the reason in words
RISE = 1.02  # validation loss that ends within 2 % of its best has not risen: it moves that much by itself


@dataclass(frozen=True)
class Evidence:
    """What a run has to show; the engine fills it. None means that nothing could measure it."""

    sources: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # list -> source -> rows read
    steps: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # list -> data step -> rows dropped or changed
    available: frozenset[str] = frozenset()  # data steps that this installation has
    bounds: int = 0  # bounds on signals, in all lists
    licenses: Mapping[str, int] = field(default_factory=dict)  # SPDX, or "unknown" -> rows
    domains: Mapping[str, int] = field(default_factory=dict)  # domain -> rows trained on
    parts: Mapping[str, int] = field(default_factory=dict)  # part of the split -> rows
    datasets: Mapping[str, str] = field(default_factory=dict)  # list -> KEY
    conversations: int | None = None  # rows trained on that are conversations or pairs
    trained_rows: int | None = None
    reviewed: int | None = None  # records that people judged before training
    human_ratings: int = 0  # answers that people rated
    blind_votes: int = 0  # votes between two models whose names were hidden
    scratch: bool | None = None  # whether training started from random weights
    epochs: float | None = None  # of the longest supervised step
    validation_losses: Sequence[float] = ()  # of the supervised step behind the candidate, in order
    metrics: Sequence[str] = ()
    test_rows: int = 0
    compared_with_start: bool | None = None  # whether a candidate and the model before tuning answered the same rows
    gates: Mapping[str, str] = field(default_factory=dict)  # candidate -> passed, failed or undecidable
    served: str | None = None  # the candidate that is served, if any
    earlier_data: int | None = None  # earlier versions of the data that this recipe was evaluated on
    overlap: tuple[int, int] | None = None  # test rows that overlap rows trained on, and test rows looked at


def _done_if(condition: bool, why: str) -> Finding:
    return ("done" if condition else "failed"), why


def sources(e: Evidence) -> Finding:
    """Every row comes from a source that was named; tells for how many the licence is known."""
    rows = sum(sum(of.values()) for of in e.sources.values())
    known = sum(n for license, n in e.licenses.items() if license != "unknown")
    names = {name for of in e.sources.values() for name in of}
    return _done_if(
        rows > 0, f"{rows:,} rows from {', '.join(sorted(names)) or 'nowhere'}; {known:,} with a known licence"
    )


def step(*labels: str) -> Callable[[Evidence], Finding]:
    """One of these data steps ran on every list that reads sources."""
    wanted = " or ".join(labels)

    def find(e: Evidence) -> Finding:
        rows = {
            name: [e.steps.get(name, {})[one] for one in labels if one in e.steps.get(name, {})] for name in e.sources
        }
        without = [name for name, found in rows.items() if not found]
        if without and not set(labels) & set(e.available):
            return "not yet measured", f"this version has no step {wanted}"
        if without or not e.sources:
            return "failed", f"{', '.join(without) or 'the recipe'} has no step {wanted}"
        return "done", ", ".join(f"{name}: {found[0]:,} rows" for name, found in rows.items())

    return find


def contamination(e: Evidence) -> Finding:
    """A contamination step ran on every list that reads sources, or test rows were held against rows trained on."""
    state, why = step("contamination", "membership")(e)
    if e.overlap is None:
        return state, why
    hit, rows = e.overlap
    return "done", f"{hit:,} of {rows:,} test rows overlap rows trained on" + (f"; {why}" if state == "done" else "")


def quality(e: Evidence) -> Finding:
    """Some signal has a bound."""
    return _done_if(e.bounds > 0, f"{e.bounds} bounds on signals")


def mix(e: Evidence) -> Finding:
    """The shares of the domains were chosen, or there is one domain."""
    mixed = any("mix" in steps for steps in e.steps.values())
    rows = sum(e.domains.values()) or 1
    shares = ", ".join(f"{domain} {n / rows:.0%}" for domain, n in sorted(e.domains.items()))
    if len(e.domains) < 2 and not mixed:
        return "done", "there is one domain, and nothing to mix"
    return _done_if(mixed, f"shares {'as mixed' if mixed else 'as found'}: {shares}")


def reviewed(least: int) -> Callable[[Evidence], Finding]:
    """People judged at least so many records."""

    def find(e: Evidence) -> Finding:
        if e.reviewed is None:
            return "not yet measured", "the recipe has no review round"
        return _done_if(e.reviewed >= least, f"people judged {e.reviewed:,} records, of at least {least}")

    return find


def versioned(e: Evidence) -> Finding:
    """Every list is stored under the KEY of what made it."""
    return _done_if(
        bool(e.datasets), ", ".join(f"{name} {key}" for name, key in e.datasets.items()) or "nothing stored"
    )


def documented(e: Evidence) -> Finding:
    """The manifests tell every step and bound, and the verdicts every row that was dropped."""
    steps = sum(len(of) for of in e.steps.values())
    return _done_if(
        bool(e.datasets), f"{steps} steps, {e.bounds} bounds and the reason of every dropped row are on record"
    )


def re_evaluated(e: Evidence) -> Finding:
    """The recipe was evaluated on an earlier version of its data too."""
    if e.earlier_data is None:
        return "not yet measured", "no earlier version of the data is known"
    return _done_if(e.earlier_data > 0, f"evaluated on {e.earlier_data} earlier versions of the data")


def examples(e: Evidence) -> Finding:
    """There are rows to train on."""
    return _done_if(e.parts.get("train", 0) > 0, f"{e.parts.get('train', 0):,} rows to train on")


def split(e: Evidence) -> Finding:
    """There are rows to train on, rows to choose settings by, and rows to test on."""
    missing = [part for part in ("train", "validation", "test") if not e.parts.get(part)]
    shares = ", ".join(f"{part} {rows:,}" for part, rows in e.parts.items()) or "no parts"
    return _done_if(not missing, f"{shares}; none for {', '.join(missing)}" if missing else shares)


def one_format(e: Evidence) -> Finding:
    """All rows trained on are conversations or pairs, which one chat template renders."""
    if e.conversations is None or e.trained_rows is None:
        return "not yet measured", "nothing was trained on conversations"
    why = f"{e.conversations:,} of {e.trained_rows:,} rows are conversations or pairs"
    return _done_if(e.conversations == e.trained_rows, why)


def pretrained(e: Evidence) -> Finding:
    """Training started from a trained model."""
    if e.scratch is None:
        return "not yet measured", "nothing was trained"
    return _done_if(not e.scratch, f"training started from {'random weights' if e.scratch else 'a trained model'}")


def epochs(e: Evidence) -> Finding:
    """Supervised training saw each row at most three times."""
    if e.epochs is None:
        return "not yet measured", "no supervised step ran"
    return _done_if(e.epochs <= 3, f"{e.epochs:.1f} epochs; with more than 3 a model learns rows by heart")


def validation_loss(e: Evidence) -> Finding:
    """Validation loss ended within 2 % of its lowest value."""
    if len(e.validation_losses) < 2:
        return "not yet measured", "validation loss was measured less than twice"
    best, last = min(e.validation_losses), e.validation_losses[-1]
    return _done_if(last <= best * RISE, f"validation loss ended at {last:.3f}; its lowest was {best:.3f}")


def tested(e: Evidence) -> Finding:
    """The candidates were measured on rows held out from training."""
    measured = f"{', '.join(e.metrics) or 'nothing'} on {e.test_rows:,} rows; {e.human_ratings:,} ratings by people"
    return _done_if(bool(e.metrics) and e.test_rows > 0, measured)


def ab_test(e: Evidence) -> Finding:
    """The tuned model and the one before answered the same rows."""
    if e.compared_with_start is None:
        return "not yet measured", "nothing was evaluated"
    answered = "answered" if e.compared_with_start else "did not answer"
    why = f"the tuned model and the one before {answered} the same rows; {e.blind_votes:,} blind votes"
    return _done_if(e.compared_with_start, why)


def gated(e: Evidence) -> Finding:
    """What is served, if anything, passed the gate."""
    verdicts = ", ".join(f"{name} {state}" for name, state in e.gates.items()) or "there is no gate"
    allowed = e.served is None or e.gates.get(e.served) == "passed"
    return _done_if(bool(e.gates) and allowed, f"{verdicts}; served: {e.served or 'none'}")
