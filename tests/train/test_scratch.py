"""A tokenizer and a model of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.train.train_toys import job_at, scratch_rows
from transformers import AutoTokenizer

from tunesmith.core.errors import UserError
from tunesmith.costs.shapes import SIZES, width_of
from tunesmith.train.folder import write_start
from tunesmith.train.job import Scratch
from tunesmith.train.scratch import scratch_model, scratch_tokenizer
from tunesmith.train.start import texts_of

PLAIN = [
    "Load the config from a file.",
    "Return a list of HTTP headers, or None.",
    "  Two spaces first, and ATMs (Automated) inside.",
    "I am here. A new line\nBegins with Load.",
    "Größe and 数字 and 😀 stay.",
    "",
]


@pytest.mark.parametrize("kind", ["bpe", "words"])
@pytest.mark.parametrize("text", PLAIN)
def test_plain_sentences_come_back_unchanged(kind: str, text: str) -> None:
    tokenizer = scratch_tokenizer(PLAIN, kind=kind, vocabulary=400)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_words_of_identifiers_and_sentences_share_their_tokens() -> None:
    tokenizer = scratch_tokenizer(
        [*texts_of(scratch_rows()), "load_config loadConfig ConfigLoader"], kind="words", vocabulary=400
    )
    words = {"Ġload", "Ġconfig"}
    for text in ("load_config", "loadConfig", "ConfigLoad", "Load the config"):
        assert words <= set(tokenizer.tokenize(text)), text


@pytest.mark.parametrize(
    "text", ["Loader.load_config(path, *args) -> Config", "HTTPServer.shutdown()", "__init__", "x2"]
)
def test_identifiers_come_back_unchanged(text: str) -> None:
    tokenizer = scratch_tokenizer(PLAIN, kind="words", vocabulary=400)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_words_tokenizer_needs_nothing_but_its_folder(tmp_path: Path) -> None:
    made = scratch_tokenizer(PLAIN, kind="words", vocabulary=400)
    made.save_pretrained(tmp_path, save_jinja_files=False)
    loaded = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    chat = [{"role": "user", "content": "load_config"}, {"role": "assistant", "content": "Load the config."}]
    assert loaded.apply_chat_template(chat)["input_ids"] == made.apply_chat_template(chat)["input_ids"]
    assert loaded.decode(loaded.encode("Load the config.")) == "Load the config."
    assert loaded.pad_token_id != loaded.eos_token_id


def test_the_tokenizer_of_the_same_texts_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        scratch_tokenizer(texts_of(scratch_rows()), vocabulary=400).save_pretrained(tmp_path / name)
    assert (tmp_path / "a" / "tokenizer.json").read_bytes() == (tmp_path / "b" / "tokenizer.json").read_bytes()


def parameters_of(size: str, vocabulary: int) -> int:
    """Counted without making them, on torch's meta device."""
    tokenizer = scratch_tokenizer(PLAIN, vocabulary=300)
    with torch.device("meta"):
        model = scratch_model(tokenizer, size=size)
    return model.num_parameters() + (vocabulary - len(tokenizer)) * width_of(size).hidden


@pytest.mark.parametrize("size", [name for name in SIZES if name != "tiny"])
def test_sizes_are_named_by_their_parameters(size: str) -> None:
    named = float(size[:-1]) * {"M": 1e6, "b": 1e9}[size[-1]]
    assert parameters_of(size, width_of(size).vocabulary) == pytest.approx(named, rel=0.6 if named < 1e6 else 0.26)


def test_a_billion_has_the_shape_of_llama_3_2() -> None:
    assert parameters_of("1b", 128_256) == 1_235_814_400


def test_sizes_are_found_by_capital_and_small_letters_and_the_usual_vocabulary_grows() -> None:
    assert width_of("1B") == width_of("1b") != width_of("1m") == width_of("1M")
    assert [width_of(size).vocabulary for size in ("tiny", "35M", "100m", "1b")] == [4096, 4096, 32_768, 32_768]
    with pytest.raises(UserError, match=r"no size 'scratch:350'.*"):
        width_of("350")


def test_a_copying_start_passes_the_attended_token_on() -> None:
    tokenizer = scratch_tokenizer(PLAIN, vocabulary=400)
    model = scratch_model(tokenizer, size="0.1M", copy=0.5, embedding_std=0.05)
    attention = model.model.layers[-1].self_attn
    product = attention.o_proj.weight @ attention.v_proj.weight
    assert torch.allclose(product, 0.5 * torch.eye(32), atol=1e-5)
    assert model.model.embed_tokens.weight.std().item() == pytest.approx(0.05, rel=0.05)


def test_the_untrained_model_can_be_written_for_comparison(tmp_path: Path) -> None:
    parameters = write_start(job_at(tmp_path, Scratch("0.1M", {"vocabulary": 300}), scratch_rows()))
    assert (tmp_path / "out" / "model.safetensors").stat().st_size > 4 * parameters
