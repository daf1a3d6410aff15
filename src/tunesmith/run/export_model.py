"""`tunesmith export`: a checkpoint taken out, as it is, merged, or in llama.cpp's format, to a folder or a Hub."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from tunesmith.core.artifact import MANIFEST, Manifest, finish, read_manifest
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import key_of
from tunesmith.models.adapter_folder import CONFIG, is_adapter, read_adapter
from tunesmith.models.base import Chat
from tunesmith.models.rows import chat_of
from tunesmith.run.checkpoints import find_checkpoint, gate_state
from tunesmith.run.context import ref_of
from tunesmith.run.disk import disk_errors
from tunesmith.run.hold import check_whole
from tunesmith.run.push import run, tool, upload
from tunesmith.run.serving import trained_on

HUB = "hf://"
CONVERTER = "convert_hf_to_gguf.py"
OF_CHECKPOINT = ("trainer", "steps", "epochs", "parameters", "trained", "adapter", "adapter_facts")  # facts that stay
COMPARED = 8  # training rows on which a merged model is compared


@dataclass(frozen=True)
class Export:
    """A checkpoint to take out, and the options of how."""

    workspace: Path
    checkpoint: Path
    base: str | None
    converter: Path | None


def export_model(
    workspace: Path,
    name: str,
    to: str,
    *,
    way: str | None = None,
    base: str | None = None,
    converter: Path | None = None,
) -> Iterator[str]:
    """Take out the checkpoint NAME or NAME/KEY `way` (adapter, model, merged, gguf; as it is without one).

    `to` is a new folder, or hf://OWNER/NAME. `base` is what an exported adapter calls its base; the base's folder
    without it. Tells what was done, first of all a warning where no gate passed it.
    """
    check_whole(workspace)
    export = Export(workspace, find_checkpoint(workspace, name), base, converter)
    way = way or ("adapter" if is_adapter(export.checkpoint) else "model")
    _check(export, way, to)
    state = gate_state(workspace, export.checkpoint)
    if state != "passed":
        yield f"Warning: {ref_of(export.checkpoint)} has not passed a gate: {state}."
    with _target(to) as folder:
        told = WAYS[way](export, folder)
        _sign(export, way, folder, {"gate": state, **told})
        if to.startswith(HUB):
            done = upload(folder, to.removeprefix(HUB), "model", f"{ref_of(export.checkpoint)} ({way})")
    if "compared" in told:
        yield f"merged: {told['compared']}"
    yield done if to.startswith(HUB) else f"Wrote {to}: {ref_of(export.checkpoint)} as {way}."


def _check(export: Export, way: str, to: str) -> None:
    """Raise UserError where a way and a checkpoint do not go together, before any work."""
    adapted = is_adapter(export.checkpoint)
    name = ref_of(export.checkpoint)
    if way not in WAYS:
        raise UserError(f"--as {way}: that is no way to export.", f"It knows {', '.join(WAYS)}.")
    if way == "model" and adapted:
        raise UserError(f"{name} is an adapter, not a model.", "Take --as merged, or --as adapter.")
    if way in ("adapter", "merged") and not adapted:
        raise UserError(f"{name} is a whole model, not an adapter.", "Take --as model.")
    if export.base and way != "adapter":
        raise UserError(
            "--base names the base of an exported adapter.", f"Leave it out, or take --as adapter, not {way}."
        )
    if way == "adapter" and to.startswith(HUB) and not export.base:
        raise UserError(
            "An adapter on a Hub needs the name of its base there.", "Add --base OWNER/NAME, or take --as merged."
        )
    if to.startswith(HUB) and to.removeprefix(HUB).count("/") != 1:
        raise UserError(f"{to} names no repository.", f"Write {HUB}OWNER/NAME.")


@contextmanager
def _target(to: str) -> Iterator[Path]:
    """A folder to write to: a temporary one for a Hub; else `to`, which is there only once all of it is."""
    if to.startswith(HUB):
        with TemporaryDirectory() as temporary:
            yield Path(temporary)
        return
    place = Path(to)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UserError(f"{to} is not empty.", "Name a folder that is not there yet.")
    with disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{place.name}.", suffix=".tmp", dir=place.parent) as temporary:
            started = Path(temporary) / "export"
            started.mkdir()
            yield started
            if place.exists():
                place.rmdir()
            started.rename(place)


def _as_it_is(export: Export, out: Path) -> dict[str, object]:
    for path in sorted(export.checkpoint.iterdir()):
        if path.is_file() and path.name not in (MANIFEST, "curve.json"):
            shutil.copyfile(path, out / path.name)
    return {}


def _as_adapter(export: Export, out: Path) -> dict[str, object]:
    base = export.base or str(read_adapter(export.checkpoint).base)
    _as_it_is(export, out)
    config = {**json.loads((out / CONFIG).read_text("utf-8")), "base_model_name_or_path": base}
    (out / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    return {}


def _as_merged(export: Export, out: Path) -> dict[str, object]:
    from tunesmith.models.merge import USUAL, merge_adapter

    merged = merge_adapter(export.checkpoint, out, chats=_rows_of(export) or USUAL)
    return {"merged": merged.as_facts(), "compared": str(merged)}


def _rows_of(export: Export) -> list[Chat]:
    """A few rows that the checkpoint was trained on, where they are still here."""
    for dataset in trained_on(export.workspace, export.checkpoint):
        columns = [name for name in ("id", "messages", "target", "chosen") if name in dataset.columns]
        rows = (row for table in dataset.tables(columns, part="train") for row in table.to_pylist())
        return [chat_of(row) for row in islice((row for row in rows if row.get("messages")), COMPARED)]
    return []


def _as_gguf(export: Export, out: Path) -> dict[str, object]:
    """The checkpoint, merged where it is an adapter, through llama.cpp's own converter."""
    converter = _converter(export.converter)
    with TemporaryDirectory() as temporary:
        model, told = export.checkpoint, dict[str, object]()
        if is_adapter(export.checkpoint):
            model = Path(temporary) / "merged"
            told = _as_merged(export, model)
        file = out / f"{export.checkpoint.parent.name}.gguf"
        run([sys.executable, str(converter), str(model), "--outfile", str(file)], out)
    if not file.is_file():
        raise UserError(f"{converter} wrote no {file.name}.", f"Try it by hand: python {converter.name} MODEL")
    card = export.checkpoint / "README.md"
    if card.is_file():
        shutil.copyfile(card, out / card.name)
    return told


def _converter(given: Path | None) -> Path:
    if given is not None and not given.is_file():
        raise UserError(f"there is no converter {given}.", f"Name llama.cpp's {CONVERTER}.")
    how = f"Get llama.cpp, install its requirements, and name its script: --converter PATH/TO/{CONVERTER}"
    return given.resolve() if given else Path(tool(CONVERTER, how))


WAYS: dict[str, Callable[[Export, Path], dict[str, object]]] = {
    "adapter": _as_adapter,
    "model": _as_it_is,
    "merged": _as_merged,
    "gguf": _as_gguf,
}


def _sign(export: Export, way: str, out: Path, facts: Mapping[str, object]) -> None:
    """Write where an exported folder comes from into it."""
    of = read_manifest(export.checkpoint)
    parameters = {"as": way, "base": export.base}
    inputs = {"checkpoint": ref_of(export.checkpoint)}
    kept = {name: of.facts[name] for name in OF_CHECKPOINT if name in of.facts}
    told = {name: value for name, value in facts.items() if name != "compared"}
    finish(
        out,
        Manifest(
            *("export", of.name, key_of([parameters, inputs]), way, 1, parameters),
            inputs=inputs,
            seed=of.seed,
            counts=of.counts,
            licenses=of.licenses,
            facts={**told, **kept},
        ),
    )
