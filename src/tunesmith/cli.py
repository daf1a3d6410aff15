"""The command line: one function a verb. Nothing heavy is imported until a verb needs it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tunesmith.cli_costs import estimate
from tunesmith.cli_data import HERE, Workspace, data
from tunesmith.cli_models import adapters, export

app = typer.Typer(
    help='From raw text to a fine-tuned language model in production, or to a reasoned "don\'t fine-tune".',
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(data, name="data")

RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML file.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a parameter of the recipe.")
]
Rows = Annotated[int | None, typer.Option(min=1, help="A rehearsal: read so many rows of each source.")]
Steps = Annotated[int | None, typer.Option(min=1, help="A rehearsal: take so many steps in each training.")]
Run = Annotated[str | None, typer.Option(help="The run, by name; the newest without it.")]
STOPPED = (130, 143)  # what a shell calls an interrupt, and being asked to end
EXTRA_OF = {
    **dict.fromkeys(("docx", "fastwarc", "lxml", "pypdfium2", "resiliparse", "trafilatura"), "documents"),
    "huggingface_hub": "hub",
    **dict.fromkeys(("torch", "transformers", "tokenizers", "safetensors", "peft"), "train"),
    **dict.fromkeys(("sklearn", "sqlalchemy"), "evaluate"),
    **dict.fromkeys(("fastapi", "starlette", "uvicorn", "httpx", "openai"), "serve"),
}


@app.command()
def demo(workspace: Workspace = HERE) -> None:
    """Run the quickstart: tune a small model here, put it before the gate, serve it, ask it."""
    from tunesmith.web.demo import run_demo

    run_demo(workspace)


@app.command()
def new(path: Annotated[Path, typer.Argument(help="The recipe to write.")] = Path("recipe.yaml")) -> None:
    """Write a recipe to start from."""
    from tunesmith.core.errors import UserError
    from tunesmith.recipe.starter import STARTER

    if path.exists():
        raise UserError(f"{path} exists.", "Name another file.")
    path.write_text(STARTER, "utf-8")
    typer.echo(f"Wrote {path}. Check it with: tunesmith check {path}")


@app.command()
def check(
    recipe: RecipePath,
    set_: Sets = None,
    workspace: Workspace = HERE,
    data: Annotated[bool, typer.Option("--data", help="Run the pre-flight on the first 1,000 rows.")] = False,
) -> None:
    """Check a recipe: every mistake with its line and a remedy, before any work starts; and its data checklist."""
    from tunesmith.recipe import load_recipe
    from tunesmith.recipe.sets import parse_sets
    from tunesmith.run.checks import data_checklist
    from tunesmith.run.probe import probe, told

    found = load_recipe(recipe, sets=parse_sets(set_ or []))
    lists = ", ".join(f"{name} ({len(items.steps)} steps)" for name, items in found.data.items())
    for sentence in told(found):
        typer.echo(sentence)
    for warning in probe(found):
        typer.echo(f"Warning: {warning}", err=True)
    typer.echo(f"{recipe}: no mistakes. Data: {lists or 'none'}. Train: {len(found.train)} steps.")
    for line in data_checklist(found, workspace) if found.data else ():
        typer.echo(line)
    if data:
        _preflight(recipe, parse_sets(set_ or []))


def _preflight(recipe: Path, sets: Mapping[str, object]) -> None:
    """Print the pre-flight on the first rows; exit code 2 where a rule refuses."""
    from tunesmith.web.preflight import check_data

    if not check_data(recipe, sets):
        raise typer.Exit(2)


@app.command()
def run(
    recipe: RecipePath,
    workspace: Workspace = HERE,
    set_: Sets = None,
    rows: Rows = None,
    steps: Steps = None,
    mark: Annotated[bool, typer.Option("--mark", help="Measure, and drop nothing.")] = False,
    remeasure: Annotated[bool, typer.Option("--remeasure", help="Measure pinned quantiles anew.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; all cores without it.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Train in so many processes, one a GPU.")] = None,
    shard: Annotated[bool, typer.Option("--shard", help="Train in shards (FSDP2), not in copies (DDP).")] = False,
) -> None:
    """Run a recipe: what is done is skipped, what was interrupted goes on."""
    from tunesmith.recipe import load_recipe
    from tunesmith.recipe.sets import parse_sets
    from tunesmith.run.ranks import ranks_of, take_part
    from tunesmith.web.show import run_and_show

    ranks = ranks_of(processes, shard, os.environ)
    if ranks.rank:
        return take_part(ranks)
    loaded = load_recipe(recipe, sets=parse_sets(set_ or []), rows=rows, steps=steps)
    run_and_show(loaded, workspace, workers=workers, mark=mark, remeasure=remeasure, ranks=ranks)


@app.command()
def show(run: Run = None, workspace: Workspace = HERE) -> None:
    """Show the report of a run again."""
    from tunesmith.web.show import show_again

    show_again(workspace, run)


@app.command()
def why(
    id: Annotated[str, typer.Argument(help="The id of a record, or of an answer (chatcmpl-...).")],
    workspace: Workspace = HERE,
) -> None:
    """Tell the story of a record or of an answer: where it came from, what was decided, and which models saw it."""
    from tunesmith.run.why import why as tell

    typer.echo(tell(workspace, id))


@app.command()
def serve(
    run: Run = None,
    workspace: Workspace = HERE,
    model: Annotated[str | None, typer.Option(help="The checkpoint; the first that passed without it.")] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    store: Annotated[bool | None, typer.Option(help="Keep requests and answers in the workspace.")] = None,
) -> None:
    """Serve the model that passed the gate, behind the OpenAI API."""
    from tunesmith.web.serving import serve_run

    serve_run(workspace, run, model=model, host=host, port=port, store=store)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    url: Annotated[str, typer.Option(help="The server's address.")] = "http://127.0.0.1:8000/v1",
    model: Annotated[str | None, typer.Option(help="The model; the only one served without it.")] = None,
    system: Annotated[str | None, typer.Option(help="A system message.")] = None,
) -> None:
    """Ask a served model one question."""
    from tunesmith.serve.ask import ask as ask_server

    asked = ask_server(url, model, question, system=system)
    typer.echo(asked.answer)
    typer.echo(f"(id {asked.id}; its story: tunesmith why {asked.id})", err=True)


@app.command(name="list")
def list_names(
    kind: Annotated[str | None, typer.Argument(help="source, signal, preset, edit, pass, make, ...")] = None,
) -> None:
    """List what a recipe can name: sources, signals, presets, edits, passes, makers, trainers, metrics, arms."""
    from tunesmith.core.errors import UserError
    from tunesmith.core.registry import KINDS, help_of, names, near
    from tunesmith.recipe.presets import preset_names, read_preset

    aliases = {**{f"{known}s": known for known in KINDS}, "passes": "pass", "makers": "make", "trainers": "train"}
    wanted = aliases.get(kind or "", kind) if kind != "presets" else "preset"
    if wanted not in (None, "preset", *KINDS):
        raise UserError(f"there is no kind {wanted!r}.", near(str(wanted), [*KINDS, "preset"]))
    for one in [wanted] if wanted else [*KINDS, "preset"]:
        typer.echo(f"{one}:")
        for name in preset_names() if one == "preset" else names(one):
            told = read_preset(name)["help"] if one == "preset" else help_of(one, name)
            typer.echo(f"  {name:<18} {told}")


app.command()(adapters)
app.command()(estimate)
app.command()(export)


def main() -> None:
    """Run the command line; a user's mistake is a sentence and exit code 2, an open review exit code 3."""
    from tunesmith.core.errors import UserError, Waiting

    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Several processes find no unused weights, which torch's C++ warns of; its errors are shown.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # On a busy machine torch's threads wait for one another by turning in circles, ten times as long as they work;
    # after so many turns they sleep. On an idle machine it makes no difference.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 still gets every line
    try:
        app()
    except UserError as error:
        _refuse(str(error))
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRA_OF:
            raise
        _refuse(f"this needs {module}, which is not installed.\n  pip install 'tunesmith[{EXTRA_OF[module]}]'")
    except Waiting as waiting:
        typer.echo(f"Waiting: {waiting.what}\n  {waiting.command}", err=True)
        sys.exit(3)
    except SystemExit as left:
        if left.code in STOPPED:
            typer.echo("Stopped. Run the same command again: it goes on where it stopped.", err=True)
        raise


def _refuse(why: str) -> NoReturn:
    typer.secho("Error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(why, err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
