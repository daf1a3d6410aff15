"""What a training starts from where it is no step of the recipe: a model folder here, or a model on a hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import is_done, read_manifest, write_json
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import file_sha256, key_of
from tunesmith.data.sources.hub import CARD, read_card
from tunesmith.recipe.training import HUB_ID, is_model
from tunesmith.run.context import Context

FETCHED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", CARD, "LICENSE*")  # weights that hold no code
LEFT_OUT = ("*/*", "consolidated*")  # other forms of the same weights
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class Base:
    """A model folder on this machine, and what is known of it."""

    folder: Path
    facts: Mapping[str, object]  # name, license, and of a hub the revision

    @property
    def key(self) -> str:
        """What stands for it in a KEY: NAME@COMMIT of a hub; of a folder, its manifest's KEY or a hash of all files."""
        commit = self.facts.get("revision")
        return f"{self.facts['name']}@{commit}" if commit else model_key(self.folder)


def find_base(context: Context, start: str, where: str) -> Base:
    """The model folder a recipe names, or the model of that id on a hub; raises UserError if there is neither.

    What a hub has is fetched once and stays what it was then: the commit is kept in the workspace, and is its KEY.
    """
    folder = (context.recipe.folder / start).resolve()
    if folder.is_dir() or not HUB_ID.fullmatch(start):
        _check_model(folder, start, where)
        return Base(folder, _facts(folder, start if Path(start).parts[0] != "/" else folder.name))
    name, _, revision = start.partition("@")
    memory = context.workspace / "cache" / "pins" / f"{key_of(['base', name, revision])}.json"
    pinned = str(json.loads(memory.read_text("utf-8"))["revision"]) if memory.is_file() else None
    if pinned is None:
        context.show.say(f"base {start}: looked up on the hub, and fetched unless it was before")
    folder = _fetched(name, pinned or revision or None, start, where)
    _check_model(folder, start, where)
    if pinned is None:
        write_json(memory, {"revision": folder.name})
    return Base(folder, {**_facts(folder, name), "revision": folder.name})


def fetch_bases(context: Context) -> None:
    """Fetch every base of a recipe that is on a hub, before hours of work on its data; UserError if one cannot be."""
    for step in context.recipe.train:
        if HUB_ID.fullmatch(step.start) and not (context.recipe.folder / step.start).is_dir():
            find_base(context, step.start, step.where)


def _fetched(name: str, revision: str | None, start: str, where: str) -> Path:
    """The folder of a snapshot in the hub's cache, whose name is its commit."""
    try:
        import huggingface_hub
    except ImportError:
        raise UserError(f"{where}: a base on a hub needs huggingface_hub.", "pip install 'tunesmith[hub]'") from None
    try:
        found = huggingface_hub.snapshot_download(
            name, revision=revision, allow_patterns=list(FETCHED), ignore_patterns=list(LEFT_OUT)
        )
    except Exception as error:  # of the network, the hub or the cache
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"{where}: the base {start!r} is no model folder here and cannot be fetched: "
            f"{type(error).__name__}: {reason}",
            "Look at its spelling. Without a network, only what was fetched before is there. Gated ones need HF_TOKEN.",
        ) from error
    return Path(found)


def _check_model(folder: Path, start: str, where: str) -> None:
    """Raise UserError unless a folder holds a model whose weights are all there, and which needs no code of its own."""
    if not is_model(folder):
        raise UserError(
            f"{where}: the base {start!r} is no model folder here.",
            "Name a folder with config.json, model.safetensors and tokenizer.json, ORG/NAME on a hub, or scratch:1M.",
        )
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{where}: the base {start!r} has no .safetensors weights.",
            "Weights in other files can hold code, and are never loaded. Look for a converted copy.",
        )
    parts = _json(folder / INDEX).get("weight_map", {}) if (folder / INDEX).is_file() else {}
    missing = sorted({name for name in cast(Mapping[str, str], parts).values() if not (folder / name).is_file()})
    if missing:
        raise UserError(f"{where}: the base {start!r} lacks {', '.join(missing)}.", "Fetch or copy it again.")
    if _needs_code(folder):
        raise UserError(
            f"{where}: the base {start!r} needs code of its own, which is never run.",
            "Name a model of a kind that transformers knows.",
        )


def _needs_code(folder: Path) -> bool:
    config = _json(folder / "config.json") if (folder / "config.json").is_file() else {}  # an adapter has none
    if "auto_map" not in config:
        return False
    from transformers import CONFIG_MAPPING

    return config.get("model_type") not in CONFIG_MAPPING


def _facts(folder: Path, name: str) -> dict[str, object]:
    """The name a base goes by, and the licence that its card gives it (None where none does)."""
    card = read_card(folder / CARD)
    given = card.get("license")
    if given == "other":
        given = card.get("license_name") or given
    return {"name": name, "license": " and ".join(map(str, given)) if isinstance(given, list) else given}


def _json(path: Path) -> dict[str, object]:
    return cast("dict[str, object]", json.loads(path.read_text("utf-8")))


def model_key(folder: Path) -> str:
    """What stands for a model folder in a KEY: its manifest's KEY, or the hash of its files."""
    if is_done(folder):
        return read_manifest(folder).key
    return key_of({path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.is_file()})
