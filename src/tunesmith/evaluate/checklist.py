"""The checklists of data work and of fine-tuning, executed: each item is computed from what a run left behind.

An item is done, failed, waived (open, with written permission in the recipe) or "not yet measured", which it stays
until something can measure it. Each is one line of the table at the end, with the function that finds its evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.evaluate import evidence as find
from tunesmith.evaluate.evidence import Evidence, Finding, State


@dataclass(frozen=True)
class Item:
    """One line of a checklist, with what was found."""

    list: Literal["data", "fine-tuning"]
    check: str  # the name a waiver uses
    title: str
    state: State
    why: str


def checklist(evidence: Evidence, waived: Mapping[str, str]) -> list[Item]:
    """Every item with its state; `waived` maps items to the reason why they may stay open."""
    return [_item(check, evidence, waived.get(check.name)) for check in CHECKS]


def check_waive(waive: object, *, where: str = "waive", also: Sequence[str] = ()) -> list[UserError]:
    """Every mistake in the `waive:` list of a recipe; `also` names what can be waived beside the items here."""
    example = "Write - {check: near_duplicates, reason: ...}."
    if not isinstance(waive, Sequence) or isinstance(waive, str):
        return [UserError(f"{where}: {waive!r} is not a list.", example)]
    mistakes = []
    known = [*(check.name for check in CHECKS), *also]
    for index, entry in enumerate(waive):
        place = f"{where}[{index}]"
        if not isinstance(entry, Mapping) or set(entry) != {"check", "reason"}:
            mistakes.append(UserError(f"{place}: a waiver has a check and a reason.", example))
        elif entry["check"] not in known:
            mistakes.append(
                UserError(f"{place}: no check is called {entry['check']!r}.", near(str(entry["check"]), known))
            )
        elif not str(entry["reason"] or "").strip():
            mistakes.append(UserError(f"{place}: the reason is empty.", "Say why this may stay open."))
    return mistakes


def _item(check: Check, evidence: Evidence, reason: str | None) -> Item:
    state, why = check.find_in(evidence)
    if reason is not None and state != "done":
        state, why = "waived", f"{reason} ({why})"
    return Item(check.list, check.name, check.title, state, why)


@dataclass(frozen=True)
class Check:
    """One item, and the function that finds its evidence."""

    list: Literal["data", "fine-tuning"]
    name: str
    title: str
    find_in: Callable[[Evidence], Finding]


CHECKS = (
    Check("data", "sources", "Sources and licences identified", find.sources),
    Check("data", "exact_duplicates", "Exact duplicates removed", find.step("exact_dedup")),
    Check("data", "near_duplicates", "Near-duplicates removed", find.step("near_dedup", "semantic_dedup")),
    Check("data", "quality_filters", "Quality filters applied", find.quality),
    Check("data", "pii", "Personal data removed", find.step("redact_pii", "pseudonymise_pii")),
    Check("data", "mix", "Shares of the domains chosen", find.mix),
    Check("data", "sample_reviewed", "A sample judged by people", find.reviewed(100)),
    Check("data", "contamination", "Overlap with test sets checked", find.contamination),
    Check("data", "versioned", "Data versioned", find.versioned),
    Check("data", "documented", "Decisions documented", find.documented),
    Check("data", "re_evaluated", "Evaluated again as data arrives", find.re_evaluated),
    Check("fine-tuning", "examples", "Examples collected", find.examples),
    Check("fine-tuning", "split", "Split into train, validation and test", find.split),
    Check("fine-tuning", "format", "One format throughout", find.one_format),
    Check("fine-tuning", "first_reviewed", "The first 100 examples judged by people", find.reviewed(100)),
    Check("fine-tuning", "pretrained", "Started from a trained model", find.pretrained),
    Check("fine-tuning", "epochs", "Trained for one to three epochs", find.epochs),
    Check("fine-tuning", "validation_loss", "Stopped before validation loss rose", find.validation_loss),
    Check("fine-tuning", "tested", "Measured on held-out rows", find.tested),
    Check("fine-tuning", "ab_test", "Compared with the model before tuning", find.ab_test),
    Check("fine-tuning", "gated", "Deployed only if clearly better", find.gated),
)  # fmt: skip
