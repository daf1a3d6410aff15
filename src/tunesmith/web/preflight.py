"""`tunesmith check --data`: the pre-flight of a recipe on its first rows, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunesmith.recipe import load_recipe
from tunesmith.run.preflight import rehearse
from tunesmith.run.probe import FIRST_ROWS
from tunesmith.web.html import visible
from tunesmith.web.progress import speaking
from tunesmith.web.read import count, mappings
from tunesmith.web.sections.preflight import ordered, spans_of
from tunesmith.web.words import grouped

EXAMPLES = 3
SIGNS = {"passed": "✓", "warned": "!", "waived": "~", "refused": "✗", "not applicable": "·"}
STYLES = {"passed": "green", "warned": "yellow", "waived": "yellow", "refused": "bold red", "not applicable": "dim"}
OPEN, CLOSE = "⟦", "⟧"  # what is learnt, where there are no colours
Fields = Mapping[str, object]


def check_data(path: Path, sets: Mapping[str, object]) -> bool:
    """Run the data lists on the first rows and print the pre-flight of every train step; whether no rule refuses."""
    recipe = load_recipe(path, sets=sets, rows=FIRST_ROWS)
    console, progress = Console(), Console(stderr=True)
    with speaking(progress) as speaker:
        found = rehearse(recipe, speaker)
    for step, (account, _) in found.items():
        print_preflight(step, account, console)
    if not found:
        console.print("The recipe trains nothing, so there is no pre-flight.")
    return all(result.state != "refused" for _, results in found.values() for result in results)


def print_preflight(step: str, account: Fields, console: Console) -> None:
    """Every rule with its state and what it found, then some rows with what is learnt marked."""
    of = "" if account.get("whole") else f" of the first {grouped(FIRST_ROWS)} of each source"
    rows, limit = (grouped(count(account.get(name))) for name in ("rows", "limit"))
    texts = account.get("learns") == "texts"
    what = f"documents{of}, in windows of at most {limit} tokens" if texts else f"rows{of}, at most {limit} tokens each"
    head = f"  {rows} {what}"
    console.print(Text.assemble("\n", ("Pre-flight of ", "bold"), (visible(step), "bold"), head))
    rules = Table.grid(padding=(0, 1, 0, 0))
    rules.add_column(no_wrap=True)
    rules.add_column(no_wrap=True)
    rules.add_column(overflow="fold")
    for each in ordered(mappings(account.get("rules"))):
        rules.add_row(*_rule(each))
    console.print(Padding(rules, (0, 0, 0, 2)))
    console.print(
        Text.assemble("\n", "Rows as the model sees them; it learns what is ", *_marked("marked", console), ".")
    )
    for example in mappings(account.get("examples"))[:EXAMPLES]:
        whole = Text()
        for text, learnt in spans_of(example):
            whole = Text.assemble(whole, *(_marked(text, console) if learnt else [visible(text)]))
        console.print(Padding(whole, (0, 0, 1, 2), expand=False))


def _rule(each: Fields) -> tuple[Text, Text, Text]:
    """A rule's state, its name, and what it found; with its reason and the remedies where it does not hold."""
    state, name = str(each.get("state")), str(each.get("rule"))
    style, why = STYLES.get(state, ""), visible(each.get("why"))
    sign = Text(f"{SIGNS.get(state, '?')} {state}", style)
    if state not in ("refused", "warned"):
        return sign, Text(name), Text(why, "dim")
    told = ["", visible(each.get("reason")), f"Mend: {visible(each.get('mend'))}"]
    told += [f"Or waive: - {{check: {name}, reason: ...}}"] if state == "refused" else []
    found = Text.assemble(f"{why} (bound {each.get('bound')})", ("\n".join(told), "dim"))
    return sign, Text(name, "bold"), found


def _marked(text: str, console: Console) -> list[str | tuple[str, str]]:
    """Text that is learnt: underlined and coloured in a terminal, between brackets where there is none."""
    if console.is_terminal and not console.no_color:
        return [(visible(text), "underline green")]
    return [f"{OPEN}{visible(text)}{CLOSE}"]
