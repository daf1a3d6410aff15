"""Sources planned into pieces, with the fingerprint of what each piece holds."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import write_json
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import canonical_json, file_sha256, key_of
from tunesmith.data.ask import parameters_of
from tunesmith.data.cuts import PART_BYTES
from tunesmith.data.files import File, expand, size_of
from tunesmith.data.stretch import SourcePiece
from tunesmith.data.urls import content_mark, is_url
from tunesmith.recipe import Recipe, Step
from tunesmith.run.context import Context

SETTLED_S = 2.0  # a file that changed less long ago may change again within the same tick of the clock
Piece = tuple[object, int | None]  # with its size in bytes where that is known


def plan_source(context: Context, step: Step) -> tuple[list[SourcePiece], str]:
    """The pieces of a source, and a fingerprint of their content."""
    parameters = _pinned(context, step)
    pieces = _pieces(context.recipe, step, parameters)
    module = step.function.module()
    prints: list[str] = []
    if "path" in step.parameters:
        parts = [cast(File, piece.piece) for piece in pieces]
        marks = {path: _content_mark(context, path) for path in sorted({part.path for part in parts})}
        prints = [f"{part.uri}:{marks[part.path]}:{part.start}:{part.end}" for part in parts]
    elif hasattr(module, "read"):
        prints = [module.fingerprint(piece.piece) for piece in pieces]
    facts = [step.function.name, step.function.fingerprint(), step.label, step.domain, step.license, step.group]
    return pieces, key_of([*facts, parameters, [piece.rows for piece in pieces][:1], *prints])


def pieces_of(recipe: Recipe, step: Step) -> list[SourcePiece]:
    """The pieces of a source: parts of its files, what it plans itself, or one for all of it."""
    return _pieces(recipe, step, _parameters(step))


def _pieces(recipe: Recipe, step: Step, parameters: Mapping[str, object]) -> list[SourcePiece]:
    planned = _planned(recipe, step, parameters)
    share = None if recipe.rows is None else max(1, -(-recipe.rows // max(1, len(planned))))
    return [
        SourcePiece(
            reader=step.function,
            piece=piece,
            parameters=parameters,
            source=step.label,
            domain=step.domain,
            license=step.license or getattr(piece, "license", None),
            group=step.group,
            rows=share,
            where=step.where,
            size=size,
        )
        for piece, size in planned
    ]


def _planned(recipe: Recipe, step: Step, parameters: Mapping[str, object]) -> list[Piece]:
    module = step.function.module()
    if "path" not in step.parameters:
        own: Sequence[object] = [None]
        if hasattr(module, "read"):
            own = cast(Sequence[object], step.function.load()(**parameters_of(step.function, parameters)))
        return [(piece, None) for piece in own]
    files = _files(step, getattr(module, "SUFFIXES", ()), recipe.folder)
    if recipe.rows is None and hasattr(
        module, "split"
    ):  # a rehearsal takes as many rows from each file: the first ones
        files = [part for file in files for part in module.split(file, PART_BYTES, **parameters)]
    return [(file, _size(file)) for file in files]


def _size(part: File) -> int | None:
    """The bytes of a part; of one that says row groups, or a last one, about so many."""
    if part.start == 0 and part.end is None:
        return size_of(part)
    return PART_BYTES


def _files(step: Step, suffixes: Sequence[str], folder: Path) -> list[File]:
    try:
        return expand(cast(str | list[str], step.parameters["path"]), folder, suffixes)
    except UserError as error:
        raise UserError(f"{step.where}: {error.problem}", error.hint) from None


def _parameters(step: Step) -> dict[str, object]:
    return {name: value for name, value in step.parameters.items() if name != "path"}


def _pinned(context: Context, step: Step) -> dict[str, object]:
    """The parameters, with what a source pins when it is first run, such as a revision; it stays in the workspace."""
    parameters = _parameters(step)
    pin = getattr(step.function.module(), "pin", None)
    if pin is None:
        return parameters
    memory = context.workspace / "cache" / "pins" / f"{key_of([step.function.name, parameters])}.json"
    if not memory.is_file():
        write_json(memory, pin(**parameters))
    return {**parameters, **json.loads(memory.read_text("utf-8"))}


def _content_mark(context: Context, path: str) -> str:
    """The hash of a file's content, remembered by its size and the time it changed; of a URL, what tells it."""
    if is_url(path):
        return content_mark(path)
    stat = Path(path).stat()
    facts = canonical_json([path, stat.st_size, stat.st_mtime_ns])
    memory = context.workspace / "cache" / "files" / f"{key_of(facts)}.json"
    if memory.is_file():
        return str(json.loads(memory.read_text("utf-8"))["sha256"])
    digest = file_sha256(Path(path))
    if time.time() - stat.st_mtime > SETTLED_S:
        write_json(memory, {"sha256": digest})
    return digest
