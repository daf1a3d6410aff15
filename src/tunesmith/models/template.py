"""The chat template of a model folder, read from its files: the same text for whoever trains, evaluates and serves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import is_done, read_manifest
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import canonical_json

JINJA, CONFIG = "chat_template.jinja", "tokenizer_config.json"


def folder_template(folder: Path) -> str | None:
    """The template that transformers takes from a folder: the file of its own, else that in the tokenizer's config.

    Of several by name it is their canonical JSON.
    """
    jinja = folder / JINJA
    return jinja.read_text("utf-8") if jinja.is_file() else _of_config(folder)


def folder_template_hash(folder: Path) -> str | None:
    """SHA-256 of a folder's template, as `chat.template_hash` of its tokenizer; None where it has none."""
    template = folder_template(folder)
    return None if template is None else hashlib.sha256(template.encode()).hexdigest()


def template_faults(folder: Path) -> list[str]:
    """Why engines would not all render chats as the model was trained on them; nothing where they do."""
    faults = []
    of_config = _of_config(folder)
    if of_config is not None and (folder / JINJA).is_file() and of_config != folder_template(folder):
        faults.append(f"{JINJA} and the chat_template of {CONFIG} differ, and engines read one or the other")
    trained = read_manifest(folder).facts.get("template") if is_done(folder) else None
    if trained is not None and trained != folder_template_hash(folder):
        faults.append("its chat template is not the one that its manifest says it was trained with")
    return faults


def check_template(folder: Path) -> None:
    """Raise UserError for a model folder whose template is not the one that it was trained with."""
    faults = template_faults(folder)
    if faults:
        raise UserError(
            f"{folder.parent.name}/{folder.name}: {'; '.join(faults)}.",
            "Put the template back as it was, or train again with the one that is to serve.",
        )


def _of_config(folder: Path) -> str | None:
    path = folder / CONFIG
    given = json.loads(path.read_text("utf-8")).get("chat_template") if path.is_file() else None
    if isinstance(given, list):  # several by name, as older folders have them
        named = {str(each["name"]): str(each["template"]) for each in cast("list[Mapping[str, str]]", given)}
        return canonical_json(named)
    return None if given is None else str(given)
