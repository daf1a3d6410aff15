"""Datasets of the Hugging Face Hub, by their id or from a local folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import pyarrow as pa

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import canonical_json
from tunesmith.core.record import LocalPath, Record
from tunesmith.data.cuts import PART_BYTES
from tunesmith.data.files import File, open_bytes
from tunesmith.data.sources import chats as chat_logs
from tunesmith.data.sources import csv, jsonl, parquet
from tunesmith.data.sources._fields import Fields
from tunesmith.data.sources._hub_layout import files_of, license_of
from tunesmith.data.sources._tables import check_columns, records
from tunesmith.data.sources._whole import quarantined
from tunesmith.data.urls import ends_in

VERSION = 1
T = TypeVar("T")
CARD, INFOS = "README.md", "dataset_infos.json"
KIND = "dataset"  # of a repository
MODULES = {module.SUFFIXES: module for module in (parquet, jsonl, csv)}
ARROW = (".arrow",)  # what the datasets library's save_to_disk writes
READABLE = tuple(suffix for suffixes in (*MODULES, ARROW) for suffix in suffixes)


@dataclass(frozen=True)
class Piece:
    """A file of a dataset, or a part of one: the work of one call of `read`."""

    file: File  # of a repository, only its uri is known before it is read
    chats: bool
    license: str | None
    options: Mapping[str, object] = field(default_factory=dict)
    repository: str | None = None
    revision: str | None = None
    name: str = ""


def hub(
    *,
    folder: LocalPath | None = None,
    dataset: str | None = None,
    name: str | None = None,
    split: str = "train",
    revision: str | None = None,
    chats: bool = False,
    text: str = "text",
    id: str | None = None,
    columns: Sequence[str] | None = None,
) -> list[Piece]:
    """Plan to read a split of a Hugging Face dataset: one in a local `folder`, or on the Hub by its id (`dataset`).

    `name` is the configuration, where there are several. Of a dataset on the Hub, the `revision` (the newest without
    it) is fixed when it is first run. `text`, `id` and `columns` are those of parquet and jsonl; with `chats`, rows are
    read as the source chats does. The licence is the one that the dataset's card names.
    """
    options = {"id": id} if chats else {"text": text, "id": id, "columns": columns}
    if folder is not None:
        root = Path(folder)
        names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        card = read_card(root / CARD, root / INFOS)
        chosen = files_of(_readable(names), card, config=name, split=split)
        files = [part for one in chosen for part in _parts(File(str(root / one), f"{root.name}/{one}"))]
        return [Piece(file, chats, license_of(card), options) for file in files]
    of = cast(str, dataset)
    names = _asked(of, lambda hub: hub.HfApi().list_repo_files(of, repo_type=KIND, revision=revision))
    notes = [Path(_download(of, note, revision)) for note in (CARD, INFOS) if note in names]
    card = read_card(*notes)
    chosen = files_of(_readable(names), card, config=name, split=split)
    at = f"hf://datasets/{of}" + (f"@{revision}" if revision else "")
    return [Piece(File("", f"{at}/{one}"), chats, license_of(card), options, of, revision, one) for one in chosen]


def check(*, folder: object = None, dataset: object = None, **_: object) -> None:
    """Raise UserError unless the dataset is named in one of the two ways."""
    if (folder is None) == (dataset is None):
        raise UserError("hub takes a folder: or a dataset:, one of them.", "For example dataset: allenai/c4.")


def pin(*, dataset: str | None = None, revision: str | None = None, **_: object) -> dict[str, object]:
    """The parameters with which a dataset on the Hub stays what it is now: its revision."""
    if dataset is None:
        return {}
    found = _asked(dataset, lambda hub: hub.HfApi().dataset_info(dataset, revision=revision))
    return {"revision": found.sha}


def fingerprint(piece: Piece) -> str:
    """What identifies a piece; the content of a local folder is a parameter's and known from there."""
    return canonical_json([piece.file.uri, piece.file.start, piece.file.end, piece.license])


def read(piece: Piece) -> Iterator[Record | pa.RecordBatch]:
    """Yield the records of a piece."""
    file = piece.file
    if piece.repository is not None:
        file = File(_download(piece.repository, piece.name, piece.revision), file.uri)
    if ends_in(file.uri, ARROW):
        yield from _arrow(file, **piece.options)  # type: ignore[arg-type]  # as hub() has put them there
    elif piece.chats:
        yield from chat_logs.chats(file, **piece.options)  # type: ignore[arg-type]
    else:
        module = _module(file.uri)
        yield from getattr(module, module.__name__.rpartition(".")[2])(file, **piece.options)


def _module(name: str) -> ModuleType:
    return next(module for suffixes, module in MODULES.items() if ends_in(name, suffixes))


def _parts(file: File) -> list[File]:
    return [file] if ends_in(file.uri, ARROW) else cast("list[File]", _module(file.uri).split(file, PART_BYTES))


def _readable(names: Sequence[str]) -> list[str]:
    found = [name for name in names if ends_in(name, READABLE) and not any(part[0] in "._" for part in name.split("/"))]
    if not found:
        there = ", ".join(names[:8]) or "nothing"
        raise UserError(f"hub: the dataset has no {', '.join(READABLE)} file.", f"There: {there}.")
    return found


def read_card(readme: Path | None = None, infos: Path | None = None) -> dict[str, object]:
    """What a card says at its top, with the licence of the older kind of description where it says none."""
    from ruamel.yaml import YAML

    found: dict[str, object] = {}
    for path in (readme, infos):
        if path is None or not path.is_file():
            continue
        text = path.read_text("utf-8", "replace")
        if path.suffix == ".json":
            described: dict[str, object] = next(iter(json.loads(text).values()), {})
            found.setdefault("license", described.get("license"))
        elif text.startswith("---\n"):
            found |= YAML(typ="safe").load(text[4:].partition("\n---")[0]) or {}
    return found


def _arrow(
    file: File, *, text: str, id: str | None, columns: Sequence[str] | None
) -> Iterator[Record | pa.RecordBatch]:
    fields, before = Fields(text, id, columns), 0
    try:
        with open_bytes(file) as stream, pa.ipc.open_stream(stream) as table:
            check_columns(file, table.schema.names, fields)
            for batch in table:
                for start in range(0, batch.num_rows, parquet.BATCH_ROWS):
                    part = batch.slice(start, parquet.BATCH_ROWS).select(fields.wanted(batch.schema.names))
                    yield from records(file, part, fields, before)
                    before += part.num_rows
    except parquet.TABLE_ERRORS as error:
        yield quarantined(file, f"this is no Arrow file, or it is cut or damaged: {error}", line=before + 1)


def _download(dataset: str, name: str, revision: str | None) -> str:
    return str(_asked(dataset, lambda hub: hub.hf_hub_download(dataset, name, repo_type=KIND, revision=revision)))


def _asked(dataset: str, ask: Callable[[Any], T]) -> T:
    """What the Hub answers; raises UserError, which names the dataset, for whatever keeps it from answering."""
    try:
        import huggingface_hub
    except ImportError:
        raise UserError("datasets on the Hub need huggingface_hub.", "pip install 'tunesmith[hub]'") from None
    try:
        return ask(huggingface_hub)
    except Exception as error:  # of the network, the Hub or the cache
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"hub: the dataset {dataset!r} cannot be fetched: {type(error).__name__}: {reason}",
            "Without a network, name a copy of it with folder:. Private datasets need HF_TOKEN.",
        ) from error
