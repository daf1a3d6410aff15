"""The verbs of `tunesmith data`: look at data, take it out, version it, compare it, remove from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(
    help="Look at data, take it out, version it, compare it, remove from it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Workspace = Annotated[Path, typer.Option(help="Where everything a run makes is kept.")]
HERE = Path("workspace")


@data.command()
def card(
    name: Annotated[str, typer.Argument(metavar="RUN[.LIST]", help="The run, or one list of it.")],
    to: Annotated[Path | None, typer.Option(help="The file to write; the terminal without it.")] = None,
    workspace: Workspace = HERE,
) -> None:
    """Write the dataset card of a list, in the form of Hugging Face, from what its manifests say."""
    from tunesmith.run.export import card_of
    from tunesmith.run.reports import read_report

    run_name, _, listed = name.partition(".")
    text = card_of(workspace, read_report(workspace, run_name), listed)
    if to is None:
        typer.echo(text)
        return
    to.write_text(text, "utf-8")
    typer.echo(f"Wrote {to}.")


@data.command()
def export(
    name: Annotated[str, typer.Argument(metavar="RUN[.LIST[.PART]]", help="What to take out.")],
    to: Annotated[Path, typer.Option(help="The file to write, .jsonl or .parquet.")],
    workspace: Workspace = HERE,
    dropped: Annotated[bool, typer.Option("--dropped", help="What was dropped, with step and why.")] = False,
) -> None:
    """Write what a list keeps, with its signals, to one file."""
    from tunesmith.run.export import export as write
    from tunesmith.run.reports import read_report

    run_name, _, rest = name.partition(".")
    report = read_report(workspace, run_name)
    rows = write(workspace, report, rest, to, dropped=dropped)
    typer.echo(f"{to}: {rows:,} rows.")


@data.command()
def version(
    name: Annotated[
        str, typer.Argument(metavar="RUN[.LIST]", help="What to make a version of; with --verify, a version.")
    ],
    to: Annotated[Path | None, typer.Option(help="A new folder for it; versions/NAME/KEY without it.")] = None,
    push: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=TARGET", help="Take it there too: dvc=PROJECT, hf=FOLDER, hf=hub:OWNER/NAME, lfs=REPOSITORY."
        ),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the files of a version (folder or KEY).")] = False,
    workspace: Workspace = HERE,
) -> None:
    """Write a dataset version: data, manifest with hashes and lineage, card, metadata; equal data has an equal KEY."""
    if verify:
        _verify(workspace, name)
        return
    from tunesmith.run.push import push as take
    from tunesmith.run.versions import make_version

    folder = make_version(workspace, name, to)
    typer.echo(f"Wrote {folder}.")
    for where in push or []:
        typer.echo(take(folder, where))


def _verify(workspace: Path, name: str) -> None:
    from tunesmith.core.errors import UserError
    from tunesmith.run.versions import verify

    manifest, faults = verify(workspace, name)
    if faults:
        raise UserError(f"the version {manifest.name} {manifest.key} is not whole:", "\n  ".join(faults))
    typer.echo(f"{manifest.name} {manifest.key}: all {len(manifest.files)} files are as they were written.")


@data.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="RUN, RUN.LIST, or a version's folder or KEY.")],
    b: Annotated[str, typer.Argument(metavar="B", help="What to compare it with.")],
    json_: Annotated[Path | None, typer.Option("--json", help="Write all of it to this file too.")] = None,
    workspace: Workspace = HERE,
) -> None:
    """Tell what was added, removed and changed from A to B, by source and by step, and what became of it."""
    from tunesmith.core.artifact import write_json
    from tunesmith.run.data_diff import diff as compare
    from tunesmith.run.data_diff import told

    found = compare(workspace, a, b)
    for line in told(found):
        typer.echo(line)
    if json_ is not None:
        write_json(json_, found)


@data.command()
def remove(
    ids: Annotated[Path | None, typer.Option(help="A file with one id a line, or a column `id`.")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN[.LIST]", help="New versions of this alone.")] = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Erase them everywhere, with what was made from them.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="End an erasure that was interrupted.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    workspace: Workspace = HERE,
) -> None:
    """Remove records for good: new versions without them, or, with --purge, erase them from all that is here."""
    from tunesmith.core.errors import UserError
    from tunesmith.web.show import write_page

    if purge or resume:
        from tunesmith.run.erase import erase, told
        from tunesmith.run.erase import resume as go_on

        if resume:
            erased = go_on(workspace, write_page)
        elif ids is None:
            raise UserError("there are no ids.", "Name a file: --ids FILE")
        else:
            erased = erase(workspace, ids, write_page, dry_run=dry_run)
        lines = told(erased, dry_run=dry_run)
    else:
        lines = _removed(workspace, ids, run, dry_run=dry_run)
    for line in lines:
        typer.echo(line)


def _removed(workspace: Path, ids: Path | None, run: str | None, *, dry_run: bool) -> Iterator[str]:
    from tunesmith.core.errors import UserError
    from tunesmith.run.remove import remove, told

    if ids is None:
        raise UserError("there are no ids.", "Name a file: --ids FILE")
    return told(remove(workspace, ids, run, dry_run=dry_run), dry_run=dry_run)


@data.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be deleted.")] = False,
    workspace: Workspace = HERE,
) -> None:
    """Delete what no run's report and no version refers to: old artifacts, unfinished ones, caches."""
    from tunesmith.run.gc import collect

    found = collect(workspace, dry_run=dry_run)
    for folder, size in found.folders.items():
        typer.echo(f"{folder.relative_to(workspace)}  {size:,} bytes")
    would = "would be freed" if dry_run else "freed"
    typer.echo(f"{len(found.folders):,} folders, {found.bytes:,} bytes {would}; {found.kept:,} artifacts are needed.")
