"""The verbs about trained models: list the adapters, take a checkpoint out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli_data import HERE, Workspace


def adapters(workspace: Workspace = HERE) -> None:
    """List the adapters: name, KEY, kind, base, trained share, size beside the base's, what the gate said."""
    from tunesmith.run.checkpoints import adapters as listed

    found = [str(one) for one in listed(workspace)]
    for line in found or [f"{workspace} holds no adapter."]:
        typer.echo(line)


def export(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="NAME, the newest of it, or NAME/KEY.")],
    to: Annotated[str, typer.Option(metavar="FOLDER|hf://OWNER/NAME", help="A new folder, or a Hub repository.")],
    as_: Annotated[
        str | None, typer.Option("--as", help="adapter, model, merged or gguf; what it is without this.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="What an exported adapter calls its base; its folder else.")] = None,
    converter: Annotated[Path | None, typer.Option(help="llama.cpp's convert_hf_to_gguf.py, for gguf.")] = None,
    workspace: Workspace = HERE,
) -> None:
    """Take a checkpoint out: as it is, merged with its base, or for llama.cpp; to a folder or a Hub repository."""
    from tunesmith.run.export_model import export_model

    for line in export_model(workspace, checkpoint, to, way=as_, base=base, converter=converter):
        typer.echo(line, err=line.startswith("Warning: "))
