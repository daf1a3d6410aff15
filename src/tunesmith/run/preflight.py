"""The pre-flight of train steps: what silently ruins a fine-tuning is found before a step is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tunesmith.core.errors import UserError
from tunesmith.core.executor import LocalExecutor, usable_cores
from tunesmith.data.dataset import Dataset
from tunesmith.recipe import Recipe, TrainStep
from tunesmith.recipe.order import in_order, needs
from tunesmith.run.context import Context, Show
from tunesmith.run.lists import run_list
from tunesmith.run.preflight_facts import facts_of
from tunesmith.train.preflight_numbers import Facts
from tunesmith.train.preflight_rules import Result, decide

Account = dict[str, object]  # of one step, as report.json holds it


def preflight(context: Context, name: str, lists: Mapping[str, Dataset], checkpoints: Mapping[str, Path]) -> None:
    """Put a train step, and those after it whose rows are there, to the rules; what was found goes into the report.

    Raises UserError with every rule that refuses, why, and the two remedies: mend it, or waive it in writing.
    """
    known = set(context.preflights)
    refused: dict[str, list[Result]] = {}
    for step in context.recipe.train:
        if step.name != name and (step.name in known or any(one not in lists for one in step.lists)):
            continue
        context.preflights[step.name], results = examined_step(context, step, lists, checkpoints)
        if step.name not in known:
            context.show.say(told(step.name, results))
        refused[step.name] = [result for result in results if result.state == "refused"]
    refuse(refused)


def examined_step(
    context: Context, step: TrainStep, lists: Mapping[str, Dataset], checkpoints: Mapping[str, Path]
) -> tuple[Account, list[Result]]:
    """The account of one step for the report, and every rule with its state."""
    facts = facts_of(context, step, lists, checkpoints)
    results = decide(facts, context.recipe.waive)
    return _account(facts, results), results


def _account(facts: Facts, results: Sequence[Result]) -> Account:
    rows = facts.rows.as_json()
    told = (
        "learns",
        "rows",
        "limit",
        "longest",
        "quantiles",
        "histogram",
        "too_long",
        "unanswered",
        "tokens",
        "trained",
    )
    shown = {name: rows[name] for name in (*told, "template", "left_out", "examples")}
    return {"rules": [result.as_json() for result in results], "whole": facts.whole, **shown}


def told(step: str, results: Sequence[Result]) -> str:
    """What came of a pre-flight, in a line: how many rules passed, and the names of the others."""
    states = ("refused", "warned", "waived")
    named = {state: [result.rule for result in results if result.state == state] for state in states}
    others = [f"{len(rules)} {state} ({', '.join(rules)})" for state, rules in named.items() if rules]
    passed = sum(result.state == "passed" for result in results)
    return f"pre-flight of {step}: {', '.join([f'{passed} rules passed', *others])}"


def refuse(refused: Mapping[str, Sequence[Result]]) -> None:
    """Raise UserError if a rule refuses a step: what was found, why it matters, and the two remedies."""
    problems = [
        f"the pre-flight of {step} refuses to train:\n{_lines(found)}" for step, found in refused.items() if found
    ]
    if problems:
        rules = dict.fromkeys(result.rule for found in refused.values() for result in found)
        waivers = "\n".join(f"    - {{check: {rule}, reason: ...}}" for rule in rules)
        hint = f"Mend what is found, or say in the recipe why it may be:\n  waive:\n{waivers}"
        raise UserError("\n".join(problems), hint)


def _lines(found: Sequence[Result]) -> str:
    return "\n".join(
        f"  {result.rule} ({result.bound}): {result.why}.\n    Why it matters: {result.reason}\n    Mend: {result.mend}"
        for result in found
    )


def rehearse(recipe: Recipe, show: Show) -> dict[str, tuple[Account, list[Result]]]:
    """The pre-flight of every train step on the first rows of the recipe's sources, in a workspace of its own."""
    with TemporaryDirectory(prefix="tunesmith-") as folder:
        executor = LocalExecutor(usable_cores())
        context = Context(recipe, Path(folder).resolve(), executor, show)
        lists: dict[str, Dataset] = {}
        try:
            for name in in_order(needs(recipe)):
                room, _, item = name.partition(".")
                if room == "data":
                    lists[item] = run_list(context, recipe.data[item], lists)
        finally:
            executor.close()
        return {step.name: examined_step(context, step, lists, {}) for step in recipe.train}
