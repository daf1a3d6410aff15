"""Sources planned into pieces, with the fingerprint of what each piece holds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import write_json
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import canonical_json, file_sha256, key_of
from tunesmith.data.files import File, expand
from tunesmith.data.stretch import SourcePiece
from tunesmith.recipe import Recipe, Step
from tunesmith.run.context import Context

SETTLED_S = 2.0  # a file that changed less long ago may change again within the same tick of the clock


def plan_source(context: Context, step: Step) -> tuple[list[SourcePiece], str]:
    """The pieces of a source, and a fingerprint of their content."""
    pieces = pieces_of(context.recipe, step)
    module = step.function.module()
    prints: list[str] = []
    if "path" in step.parameters:
        prints = [_file_print(context, cast(File, piece.piece)) for piece in pieces]
    elif hasattr(module, "read"):
        prints = [module.fingerprint(piece.piece) for piece in pieces]
    parameters = {name: value for name, value in step.parameters.items() if name != "path"}
    facts = [step.function.name, step.function.fingerprint(), step.label, step.domain, step.license, step.group]
    return pieces, key_of([*facts, parameters, [piece.rows for piece in pieces][:1], *prints])


def pieces_of(recipe: Recipe, step: Step) -> list[SourcePiece]:
    """The pieces of a source: its files, what it plans itself, or one for all of it."""
    parameters = {name: value for name, value in step.parameters.items() if name != "path"}
    if "path" in step.parameters:
        pieces: list[object] = list(_files(step, step.parameters["path"], recipe.folder))
    elif hasattr(step.function.module(), "read"):
        pieces = list(cast(list[object], step.function.load()(**parameters)))
    else:
        pieces = [None]
    share = None if recipe.rows is None else max(1, -(-recipe.rows // max(1, len(pieces))))
    return [
        SourcePiece(
            step.function, piece, parameters, step.label, step.domain, step.license, step.group, share, step.where
        )
        for piece in pieces
    ]


def _files(step: Step, path: object, folder: Path) -> Iterator[File]:
    try:
        yield from expand(cast(str | list[str], path), folder)
    except UserError as error:
        raise UserError(f"{step.where}: {error.problem}", error.hint) from None


def _file_print(context: Context, file: File) -> str:
    """The hash of a file's content, remembered by its size and the time it changed."""
    stat = Path(file.path).stat()
    facts = canonical_json([file.path, stat.st_size, stat.st_mtime_ns])
    memory = context.workspace / "cache" / "files" / f"{key_of(facts)}.json"
    if memory.is_file():
        digest = json.loads(memory.read_text("utf-8"))["sha256"]
    else:
        digest = file_sha256(Path(file.path))
        if time.time() - stat.st_mtime > SETTLED_S:
            write_json(memory, {"sha256": digest})
    return f"{file.uri}:{digest}:{file.start}:{file.end}"
