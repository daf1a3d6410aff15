"""Models by their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunesmith.core.errors import UserError
from tunesmith.costs.shapes import shape_of


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5-0.5B"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "Llama-3-8B"),
        ("meta-llama/Llama-2-7b-chat-hf", "Llama-2-7B"),
        ("google/gemma-2-9b-it", "Gemma-2-9B"),
        ("Qwen/Qwen3-0.6B@main", "Qwen3-0.6B"),
    ],
)
def test_a_known_model_is_found_as_people_write_it(given: str, name: str) -> None:
    assert shape_of(given).name == name


def test_a_model_from_scratch_has_the_weights_of_its_name() -> None:
    assert shape_of("scratch:1M").anatomy.parameters == 926_336
    assert shape_of("scratch:1M", vocabulary=8192).anatomy.parameters > 1.4e6


@pytest.mark.parametrize("size", ["300M", "1.5B", "30B", "175B", "2T"])
def test_a_llama_is_inferred_from_a_number_of_weights_and_said_so(size: str) -> None:
    shape = shape_of(size)
    wanted = float(size[:-1]) * {"M": 1e6, "B": 1e9, "T": 1e12}[size[-1]]
    assert shape.anatomy.parameters == pytest.approx(wanted, rel=0.001)
    assert shape.told.startswith("inferred: ")


def test_a_number_near_a_known_model_takes_its_shape() -> None:
    assert shape_of("8B").anatomy == shape_of("Llama-3-8B").anatomy


def test_a_folder_tells_its_shape(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    config = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100}
    (tmp_path / "own" / "config.json").write_text(json.dumps(config))
    assert shape_of("own", folder=tmp_path).anatomy.feed_forward == 256
    (tmp_path / "own" / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"own/config\.json does not say num_attention_heads"):
        shape_of("own", folder=tmp_path)


@pytest.mark.parametrize(
    ("given", "near"), [("Lama-3-8B", "Llama-3-8B"), ("scratch:3M", "2M"), ("qwen25-7", "Qwen2.5-7B")]
)
def test_an_unknown_model_is_refused_with_near_names(given: str, near: str) -> None:
    with pytest.raises(UserError) as caught:
        shape_of(given)
    assert near in caught.value.hint
