"""The template of a folder, read from its files, is the one that its tokenizer renders with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from tunesmith.core.artifact import Manifest, finish
from tunesmith.core.errors import UserError
from tunesmith.models.chat import CHAT_TEMPLATE, template_hash
from tunesmith.models.template import check_template, folder_template_hash, template_faults
from tunesmith.train.scratch import scratch_tokenizer


def saved(folder: Path, *, jinja: bool) -> Path:
    scratch_tokenizer(["a text"], vocabulary=300).save_pretrained(folder, save_jinja_files=jinja)
    return folder


@pytest.mark.parametrize("jinja", [True, False])
def test_the_hash_of_a_folder_is_that_of_its_tokenizer(jinja: bool, tmp_path: Path) -> None:
    folder = saved(tmp_path, jinja=jinja)
    assert folder_template_hash(folder) == template_hash(AutoTokenizer.from_pretrained(folder))
    assert template_faults(folder) == []


def test_templates_by_name_count_all(tmp_path: Path) -> None:
    folder = saved(tmp_path, jinja=False)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    named = [{"name": "tools", "template": "x"}, {"name": "default", "template": CHAT_TEMPLATE}]
    path.write_text(json.dumps({**config, "chat_template": named}), "utf-8")
    assert folder_template_hash(folder) == template_hash(AutoTokenizer.from_pretrained(folder))


def test_a_folder_without_a_template_has_no_hash(tmp_path: Path) -> None:
    assert folder_template_hash(tmp_path) is None
    assert template_faults(tmp_path) == []


def test_a_manifest_of_another_template_is_a_fault(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", jinja=False)
    finish(folder, Manifest("checkpoint", "model", "0" * 20, "sft", 1, {}, facts={"template": "0" * 64}))
    with pytest.raises(UserError, match="not the one that its manifest says"):
        check_template(folder)
