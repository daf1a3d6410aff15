"""Adapters of every kind: they learn, repeat, resume, go on, merge, and are refused where they cannot be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.train.adapter_toys import STEPS, TINY, adapter_at, adapter_job, base_at, rows_in
from tests.train.test_sft import Interrupted, digests
from tests.train.train_toys import job_at, pair_rows, scratch_rows

from tunesmith.core.errors import UserError
from tunesmith.models.adapter_folder import kind_of, load_base, read_adapter
from tunesmith.models.base import Sampling
from tunesmith.models.local import LocalModel
from tunesmith.models.merge import merge_adapter
from tunesmith.train.active import adapter_facts
from tunesmith.train.adapters import ADAPTERS
from tunesmith.train.dpo import dpo
from tunesmith.train.job import Adapter
from tunesmith.train.kto import kto
from tunesmith.train.sft import rendered, sft
from tunesmith.train.start import start_from

KINDS = ["lora", "rslora", "dora", "ia3", "prefix", "prompt", "bottleneck"]
RANKS: dict[str, dict[str, object]] = {kind: {"rank": 8} for kind in ("lora", "rslora", "dora", "qlora")}
RANKS["bottleneck"] = {"reduction": 4}
CHATS = [row["messages"][:1] for row in scratch_rows()]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return base_at(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def short(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lora adapter that answers without `the`."""
    return adapter_at(tmp_path_factory.mktemp("short"), base, "lora", rank=8)


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_learns_and_says_what_it_trained(kind: str, base: Path, tmp_path: Path) -> None:
    said: list[str] = []
    job = replace(adapter_job(tmp_path, base, kind, **RANKS.get(kind, {})), say=said.append)
    trained = sft(job, steps=STEPS.get(kind, 60), batch_size=16)
    losses = [entry["validation_loss"] for entry in trained.curve]
    assert losses[-1] < 0.7 * losses[0]
    assert 0 < trained.trained < 0.25 * trained.parameters
    assert f"{trained.trained:,} of them trained" in " ".join(said)
    assert any(sentence.startswith(f"the {kind} adapter is active") for sentence in said)
    assert trained.adapter is not None
    assert trained.adapter["kind"] == kind == kind_of(tmp_path / "out")
    loaded = LocalModel(tmp_path / "out").logprobs([row["messages"] for row in rows_in("short")[:8]])
    tokens = [number for one in loaded for number in one.logprobs]
    assert -sum(tokens) / len(tokens) == pytest.approx(min(losses), abs=0.01)  # as it was measured in training


@pytest.mark.parametrize("kind", [*KINDS, "qlora"])
def test_the_same_seed_gives_the_same_bytes_and_an_interrupted_training_too(
    kind: str, base: Path, tmp_path: Path
) -> None:
    def stop_at_9(step: int, of: int, numbers: Mapping[str, float]) -> None:
        if step == 9:
            raise Interrupted

    if kind == "qlora":
        pytest.importorskip("bitsandbytes")
    options = RANKS.get(kind, {}) | ({"dropout": 0.1} if kind in RANKS else {})
    whole = adapter_job(tmp_path / "whole", base, kind, **options)
    broken = replace(adapter_job(tmp_path / "broken", base, kind, **options), progress=stop_at_9)
    sft(whole, steps=14, batch_size=8, word_dropout=0.2)
    with pytest.raises(Interrupted):
        sft(broken, steps=14, batch_size=8, word_dropout=0.2)
    said: list[str] = []
    sft(replace(broken, progress=lambda *_: None, say=said.append), steps=14, batch_size=8, word_dropout=0.2)
    assert "goes on from step 1" in said
    first, second = digests(tmp_path / "whole" / "out"), digests(tmp_path / "broken" / "out")
    assert first == second
    other = replace(adapter_job(tmp_path / "other", base, kind, **options), seed=1)
    sft(other, steps=14, batch_size=8, word_dropout=0.2)
    assert digests(tmp_path / "other" / "out")["adapter_model.safetensors"] != first["adapter_model.safetensors"]


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # PEFT's, called as others call it
def test_the_folder_holds_an_adapter_that_peft_loads_and_the_way_to_its_base(base: Path, short: Path) -> None:
    from peft import PeftModel

    assert sorted(digests(short)) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "base.json",
        "curve.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    config = json.loads((short / "adapter_config.json").read_text())
    assert (short / config["base_model_name_or_path"]).resolve() == base.resolve()
    assert config["target_modules"] == sorted(config["target_modules"])
    assert list(config) == sorted(config)
    assert not Path(config["base_model_name_or_path"]).is_absolute()
    plain = PeftModel.from_pretrained(_named(base, config["base_model_name_or_path"]), str(short)).eval()
    own = LocalModel(short).model
    ids = torch.tensor([[5, 9, 300, 17]])
    with torch.no_grad():
        assert torch.equal(plain(input_ids=ids).logits, own(input_ids=ids).logits)


def _named(base: Path, name: str) -> torch.nn.Module:
    model = load_base(base)
    model.config.name_or_path = name
    model.name_or_path = name
    return model


def test_another_base_is_refused_and_so_is_none(base: Path, tmp_path: Path) -> None:
    home = tmp_path / "base"
    home.mkdir()
    for path in base.iterdir():
        (home / path.name).write_bytes(path.read_bytes())
    short = adapter_at(tmp_path / "short", home, "lora", rank=8)
    LocalModel(short)
    weights = load_file(home / "model.safetensors")
    save_file({name: weight + 0.01 for name, weight in weights.items()}, home / "model.safetensors", {"format": "pt"})
    for reading in (lambda: LocalModel(short), lambda: start_from(adapter_job(tmp_path / "more", short, None))):
        with pytest.raises(UserError, match="has changed: base has other weights"):
            reading()
    (home / "config.json").unlink()
    with pytest.raises(UserError, match="is not there"):
        LocalModel(short)


def test_a_step_without_adapter_trains_the_one_it_starts_from_further(base: Path, short: Path, tmp_path: Path) -> None:
    said: list[str] = []
    trained = sft(replace(adapter_job(tmp_path, short, None, "check"), say=said.append), steps=60, batch_size=16)
    assert any(sentence.startswith("goes on with the lora adapter it starts from") for sentence in said)
    assert trained.trained == 5120  # as at first
    assert read_adapter(tmp_path / "out").base == base.resolve()
    first, second = (load_file(folder / "adapter_model.safetensors") for folder in (short, tmp_path / "out"))
    assert first.keys() == second.keys()
    assert LocalModel(tmp_path / "out").generate(CHATS[:1], Sampling())[0].text == "Check the config."
    assert LocalModel(short).generate(CHATS[:1], Sampling())[0].text == "Load config."


@pytest.mark.parametrize("kind", ["lora", "prefix", "prompt", "bottleneck"])
def test_preferences_are_learnt_by_an_adapter_trained_further(kind: str, base: Path, tmp_path: Path) -> None:
    first = adapter_at(tmp_path / "first", base, kind, **RANKS.get(kind, {}))
    job = job_at(tmp_path / "second", first, pair_rows(), validation=pair_rows()[:8])
    trained = dpo(job, steps=10, batch_size=8)
    assert trained.curve[-1]["validation_loss"] < trained.curve[0]["validation_loss"]
    assert kind_of(tmp_path / "second" / "out") == kind


@pytest.mark.parametrize("kind", ["lora", "bottleneck"])
def test_single_answers_are_learnt_by_a_new_adapter(kind: str, base: Path, tmp_path: Path) -> None:
    thumbs = [
        {"messages": [*row["messages"], *row[side]], "desirable": side == "chosen"}
        for row in pair_rows()
        for side in ("chosen", "rejected")
    ]
    job = job_at(tmp_path, base, thumbs, validation=thumbs[:16])
    trained = kto(replace(job, adapter=Adapter(kind, RANKS[kind])), steps=10)
    assert trained.curve[-1]["validation_loss"] < trained.curve[0]["validation_loss"]
    assert kind_of(tmp_path / "out") == kind


@pytest.mark.parametrize("kind", ["lora", "rslora", "dora", "ia3"])
def test_a_merged_model_answers_as_the_adapter_and_tells_its_difference(kind: str, base: Path, tmp_path: Path) -> None:
    adapter = adapter_at(tmp_path / "adapter", base, kind, **RANKS.get(kind, {}))
    merged = merge_adapter(adapter, tmp_path / "merged", chats=[row["messages"] for row in rows_in("short")])
    assert merged.float32 < 1e-5
    assert merged.written < 1e-5
    assert merged.dtype == "float32"
    assert f"{merged.float32:.1e}" in str(merged)
    names = sorted(path.name for path in (tmp_path / "merged").iterdir())
    assert names == sorted(path.name for path in base.iterdir() if path.name != "curve.json")
    plain, own = LocalModel(tmp_path / "merged"), LocalModel(adapter)
    assert plain.generate(CHATS, Sampling()) == own.generate(CHATS, Sampling())
    assert plain.model.generation_config.max_new_tokens == own.model.generation_config.max_new_tokens


@pytest.mark.parametrize(
    ("kind", "options"), [("prefix", {"tokens": 4}), ("prompt", {"tokens": 4}), ("bottleneck", {"reduction": 8})]
)
def test_what_is_no_weight_of_the_base_cannot_be_merged(
    kind: str, options: dict[str, object], base: Path, tmp_path: Path
) -> None:
    adapter = adapter_at(tmp_path / "adapter", base, kind, **options)
    with pytest.raises(UserError, match="cannot be merged") as caught:
        merge_adapter(adapter, tmp_path / "merged")
    assert "--as adapter" in caught.value.hint
    assert not (tmp_path / "merged").exists()


def test_a_merge_that_changes_logits_is_refused(short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.models.merge.MOST", 0.0)
    with pytest.raises(UserError, match="changes logits by"):
        merge_adapter(short, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_base_in_bfloat16_stays_one_when_merged(base: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    load_base(base).to(torch.bfloat16).save_pretrained(half)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (half / name).write_bytes((base / name).read_bytes())
    merged = merge_adapter(adapter_at(tmp_path / "adapter", half, "lora", rank=8), tmp_path / "merged")
    assert merged.dtype == "bfloat16"
    assert merged.float32 < 1e-5 < merged.written < 0.05
    stored = load_file(tmp_path / "merged" / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.bfloat16}


def test_an_adapter_that_does_nothing_is_no_checkpoint(base: Path, tmp_path: Path) -> None:
    start = start_from(adapter_job(tmp_path, base, "lora", rank=4))
    learnt = rendered(adapter_job(tmp_path, base, "lora"), rows_in("short"), start, 64, "train")
    with pytest.raises(UserError, match="is not active") as caught:
        adapter_facts(start, learnt)  # as it begins, its second matrix is zero
    assert "learning_rate" in caught.value.hint
    with pytest.raises(UserError, match="is not active"):
        sft(adapter_job(tmp_path / "still", base, "lora", rank=4), steps=2, learning_rate=1e-12)


def test_rows_with_virtual_tokens_leave_room_for_them_and_are_not_packed(base: Path, tmp_path: Path) -> None:
    plain = start_from(job_at(tmp_path, base, scratch_rows()))
    assert start_from(adapter_job(tmp_path, base, "prompt", tokens=30)).room == plain.room - 30
    with pytest.raises(UserError, match="cannot be trained on packed rows"):
        sft(adapter_job(tmp_path, base, "prefix"), steps=1, layout="packed")
    with pytest.raises(UserError, match="fill all the room"):
        start_from(adapter_job(tmp_path, base, "prompt", tokens=512))


def test_virtual_tokens_start_as_a_text(base: Path, tmp_path: Path) -> None:
    """With no more tokens than the text has, a prompt adapter begins as the base with that text before each row."""
    start = start_from(adapter_job(tmp_path, base, "prompt", tokens=3, text="load the file"))
    words = start.tokenizer("load the file", add_special_tokens=False)["input_ids"]
    assert len(words) >= 3
    embedded = start.model.get_base_model().get_input_embeddings().weight[torch.tensor(words[:3])]
    assert torch.equal(start.model.prompt_encoder["default"].embedding.weight, embedded)
    before = start_from(adapter_job(tmp_path, base, "prefix", tokens=3, text="load the file"))
    row = torch.tensor([[7, 300, 9]])
    with torch.no_grad():
        said = start.model.eval()(input_ids=row).logits[:, 3:]
        cached = before.model.eval()(input_ids=row, use_cache=False).logits
        read = load_base(base)(input_ids=torch.cat([torch.tensor([words[:3]]), row], 1)).logits[:, 3:]
    assert torch.allclose(said, read, atol=1e-5)
    assert torch.allclose(cached, read, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "options", "problem"),
    [
        ("lora", {"rank": 0}, "rank 0 is too small"),
        ("dora", {"alpha": -1.0}, "alpha -1.0 is too small"),
        ("rslora", {"dropout": 1.0}, "dropout 1.0 will not do"),
        ("lora", {"targets": []}, "targets is empty"),
        ("lora", {"targets": ["q_prjo"]}, "does not fit this model"),
        ("bottleneck", {"reduction": 0}, "reduction 0 is too small"),
        ("prompt", {"tokens": 0}, "tokens 0 is too small"),
        ("prefix", {"text": ""}, "text is empty"),
    ],
)
def test_a_mistake_in_the_options_is_named(
    kind: str, options: dict[str, object], problem: str, base: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=problem):
        start_from(adapter_job(tmp_path, base, kind, **options))


def test_an_adapter_needs_a_base_with_weights_of_its_own(short: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be trained on random weights"):
        start_from(replace(job_at(tmp_path, TINY, scratch_rows()), adapter=Adapter("lora")))
    with pytest.raises(UserError, match="cannot be trained on another adapter") as caught:
        start_from(adapter_job(tmp_path, short, "ia3"))
    assert "tunesmith export" in caught.value.hint


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="it is installed here")
def test_qlora_without_bitsandbytes_says_what_it_needs(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs bitsandbytes"):
        start_from(adapter_job(tmp_path, base, "qlora"))


def test_qlora_learns_on_a_base_in_four_bits_and_merges_into_the_base_in_full(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    trained = sft(adapter_job(tmp_path, base, "qlora", rank=8), steps=60, batch_size=16)
    losses = [entry["validation_loss"] for entry in trained.curve]
    assert losses[-1] < 0.7 * losses[0]
    plain = start_from(adapter_job(tmp_path / "plain", base, "lora", rank=8))
    assert trained.parameters == plain.parameters  # those in four bits count as what they stand for
    own = LocalModel(tmp_path / "out")
    assert any("4bit" in type(module).__name__ for module in own.model.modules())
    assert own.generate(CHATS[:1], Sampling())[0].text == "Load config."
    merged = merge_adapter(tmp_path / "out", tmp_path / "merged")
    assert merged.float32 < 1e-5
    assert merged.from_four_bit is not None
    assert merged.from_four_bit > 1e-3  # four bits are coarse


def test_every_kind_is_tried_here() -> None:
    assert sorted(ADAPTERS) == sorted([*KINDS, "qlora"])
