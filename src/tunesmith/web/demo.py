"""`tunesmith demo`: the quickstart, from the code that is installed here to a served model answering a question."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from rich.console import Console

from tunesmith.core.errors import UserError
from tunesmith.recipe import load_recipe
from tunesmith.run.serving import Serving, app_of
from tunesmith.run.why import why
from tunesmith.web.show import run_and_show

QUESTION = "Loader.load_config(path, strict) -> Config"


def run_demo(workspace: Path) -> None:
    """Run the quickstart; if a model passed its gate, serve it, ask it, tell where its answer comes from, and stop."""
    recipe = load_recipe(_quickstart())
    outcome = run_and_show(recipe, workspace)
    console = Console()
    if outcome.serving is None:
        console.print("\nThe gate passed no candidate, so nothing is served.")
        return
    name, checkpoint = outcome.serving
    question = (recipe.serve.question if recipe.serve else None) or QUESTION
    answer_id = _ask(workspace, Serving(name, checkpoint, recipe.name), question, console)
    for title, row_id in (("this answer", answer_id), ("a row it was trained on", _training_row(outcome.report))):
        console.print(f"\n[bold]tunesmith why {row_id}[/bold]  ({title})", highlight=False, soft_wrap=True)
        console.print(why(workspace.resolve(), row_id), highlight=False, markup=False, soft_wrap=True)


def _ask(workspace: Path, serving: Serving, question: str, console: Console) -> str:
    from tunesmith.serve.ask import ask
    from tunesmith.serve.server import running
    from tunesmith.store import open_store

    with open_store(workspace / "state.db") as store, running(app_of(serving, store)) as url:
        console.print(f"\n[bold]{serving.name}[/bold] answers at {url}", highlight=False, soft_wrap=True)
        asked = ask(url, None, question)
        console.print(f"  asked:    {question}\n  answered: {asked.answer}", highlight=False, markup=False)
    console.print("The server is stopped; `tunesmith serve` starts it again.", highlight=False)
    return asked.id


def _training_row(report: Mapping[str, object]) -> str:
    """A row that was kept, from the report's sample."""
    lists = cast(dict[str, dict[str, dict[str, list[dict[str, str]]]]], report["lists"])
    return next(row["id"] for counts in reversed(list(lists.values())) for row in counts["samples"]["kept"])


def _quickstart() -> Path:
    for folder in (Path("recipes"), Path(__file__).parents[3] / "recipes"):
        if (folder / "quickstart.yaml").is_file():
            return folder / "quickstart.yaml"
    raise UserError("recipes/quickstart.yaml is not here.", "Run the demo in a checkout of tunesmith: make demo")
