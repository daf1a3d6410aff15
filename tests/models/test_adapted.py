"""Many adapters on one base: each answers as it does alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from tests.train.adapter_toys import adapter_at, adapter_job, base_at
from tests.train.train_toys import scratch_rows

from tunesmith.core.errors import UserError
from tunesmith.models.adapted import AdaptedModels
from tunesmith.models.base import Model, Sampling
from tunesmith.models.local import LocalModel
from tunesmith.train.sft import sft

CHATS = [row["messages"][:1] for row in scratch_rows()]
KINDS = {
    "short": "lora",
    "check": "rslora",
    "long": "dora",
    "factors": "ia3",
    "before": "prefix",
    "said": "prompt",
    "narrow": "bottleneck",
    "wide": "bottleneck",
}
STYLE = {"check": "check", "wide": "check"}  # what an adapter learnt; short without
SIZES: dict[str, dict[str, object]] = {
    "short": {"rank": 8},
    "check": {"rank": 4},
    "long": {"rank": 8},
    "narrow": {"reduction": 4},
    "wide": {"reduction": 2, "places": "pfeiffer", "activation": "gelu"},
}
GREEDY = Sampling(max_tokens=12)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return base_at(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def folders(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One adapter of each kind, two of those that can be mixed: they have other sizes and learnt other answers."""
    home = tmp_path_factory.mktemp("adapters")
    return {
        name: adapter_at(home / name, base, kind, STYLE.get(name, "short"), **SIZES.get(name, {}))
        for name, kind in KINDS.items()
    }


@pytest.fixture(scope="module")
def together(base: Path, folders: Mapping[str, Path]) -> AdaptedModels:
    return AdaptedModels(base, folders)


@pytest.mark.parametrize(("short", "check"), [("short", "check"), ("narrow", "wide")])
def test_two_adapters_answer_in_one_mixed_batch_exactly_as_each_alone(
    short: str, check: str, base: Path, folders: Mapping[str, Path]
) -> None:
    together = AdaptedModels(base, {name: folders[name] for name in (short, check)})
    names = [(None, short, check)[place % 3] for place in range(len(CHATS))]
    mixed = together.generate(CHATS, GREEDY, names)
    alone = {name: LocalModel(folders[name] if name else base).generate(CHATS, GREEDY) for name in set(names)}
    assert mixed == [alone[name][place] for place, name in enumerate(names)]
    assert alone[short] != alone[check] != alone[None]
    assert mixed[1].text == "Load file."  # as each has learnt to
    assert mixed[2].text == "Check the index."
    assert mixed[0].text == "Load the config."


def test_the_logprobs_of_a_mixed_batch_are_those_of_each_alone(
    base: Path, folders: Mapping[str, Path], together: AdaptedModels
) -> None:
    chats = [row["messages"] for row in scratch_rows()]
    names = [(None, *KINDS)[place % 9] for place in range(len(chats))]
    mixed = together.logprobs(chats, names)
    for name in set(names):
        alone = LocalModel(folders[name] if name else base).logprobs(chats)
        for place, other in enumerate(names):
            if other == name:
                assert mixed[place].tokens == alone[place].tokens
                assert mixed[place].logprobs == pytest.approx(alone[place].logprobs, abs=1e-5)


def test_adapters_of_every_kind_answer_as_each_alone(folders: Mapping[str, Path], together: AdaptedModels) -> None:
    names = [list(KINDS)[place % len(KINDS)] for place in range(len(CHATS))]
    mixed = together.generate(CHATS, GREEDY, names)
    for name in KINDS:
        alone = LocalModel(folders[name]).generate(CHATS, GREEDY)
        places = [place for place, other in enumerate(names) if other == name]
        assert [mixed[place] for place in places] == [alone[place] for place in places]
        one: Model = together.model(name)
        assert one.name == name
        assert one.generate(CHATS, GREEDY) == alone


def test_answers_of_virtual_tokens_do_not_depend_on_the_batch(folders: Mapping[str, Path]) -> None:
    chats = [*CHATS, [{"role": "user", "content": "load_config " * 12}]]
    for name in ("before", "said"):
        one_by_one = LocalModel(folders[name], batch_size=1).generate(chats, GREEDY)
        assert LocalModel(folders[name]).generate(chats, GREEDY) == one_by_one


def test_virtual_tokens_before_a_sliding_window_do_not_depend_on_the_batch(base: Path, tmp_path: Path) -> None:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=128,
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    Gemma3ForCausalLM(config).save_pretrained(tmp_path / "base")
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        (tmp_path / "base" / name).write_bytes((base / name).read_bytes())
    chats = [*(row["messages"] for row in scratch_rows()[:6]), [CHATS[0][0], *scratch_rows()[9]["messages"]]]
    for kind in ("prefix", "prompt"):
        sft(adapter_job(tmp_path / kind, tmp_path / "base", kind, tokens=6), steps=4, learning_rate=0.1)
        folder = tmp_path / kind / "out"
        together = LocalModel(folder).logprobs(chats)
        alone = LocalModel(folder, batch_size=1).logprobs(chats)
        for one, other in zip(together, alone, strict=True):
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_an_answer_ends_where_its_own_folder_says(folders: Mapping[str, Path], base: Path) -> None:
    models = AdaptedModels(base, {name: folders[name] for name in ("short", "check")})
    names = [("short", "check")[place % 2] for place in range(len(CHATS))]
    mixed = models.generate(CHATS, Sampling(), names)
    alone = {name: LocalModel(folders[name]).generate(CHATS, Sampling()) for name in ("short", "check")}
    assert mixed == [alone[name][place] for place, name in enumerate(names)]


def test_adapters_come_and_go_and_leave_the_others_and_the_base_alone(base: Path, folders: Mapping[str, Path]) -> None:
    models = AdaptedModels(base, {})
    plain = LocalModel(base).generate(CHATS, GREEDY)
    nobody: list[str | None] = [None] * len(CHATS)
    assert models.generate(CHATS, GREEDY, nobody) == plain
    for name in ("short", "check", "said", "narrow", "wide"):
        models.load(name, folders[name])
    models.load("a", folders["short"])  # a part of PEFT's own prefix
    models.unload("a")
    assert models.names == ["short", "check", "said", "narrow", "wide"]
    assert models.generate(CHATS, GREEDY, nobody) == plain
    check, wide = (models.model(name).generate(CHATS, GREEDY) for name in ("check", "wide"))
    for name in ("short", "said", "narrow"):
        models.unload(name)
    assert models.names == ["check", "wide"]
    assert models.model("check").generate(CHATS, GREEDY) == check
    assert models.model("wide").generate(CHATS, GREEDY) == wide
    models.unload("check")
    models.unload("wide")
    assert models.generate(CHATS, GREEDY, nobody) == plain
    models.load("check", folders["check"])
    assert models.model("check").generate(CHATS, GREEDY) == check


def test_adapters_on_a_base_in_four_bits_are_mixed_too(base: Path, folders: Mapping[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    four = {name: adapter_at(tmp_path / name, base, "qlora", name, rank=8) for name in ("short", "check")}
    names = [("short", "check")[place % 2] for place in range(len(CHATS))]
    models = AdaptedModels(base, four)
    alone = {name: LocalModel(folder).generate(CHATS, GREEDY) for name, folder in four.items()}
    assert models.generate(CHATS, GREEDY, names) == [alone[name][place] for place, name in enumerate(names)]
    with pytest.raises(UserError, match="trained on a base in full precision"):
        models.load("full", folders["short"])


def test_the_weights_of_the_base_are_in_memory_once(together: AdaptedModels) -> None:
    own = {weight.data_ptr() for weight in together.loaded.model.parameters()}
    assert len(own) == len(list(together.loaded.model.parameters()))
    for name in KINDS:
        one = together.model(name)
        if isinstance(one, LocalModel):
            assert own <= {weight.data_ptr() for weight in one.model.parameters()}


def test_mistakes_are_named(base: Path, folders: Mapping[str, Path], together: AdaptedModels, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no adapter 'shrot' is loaded"):
        together.generate(CHATS[:1], GREEDY, ["shrot"])
    with pytest.raises(UserError, match="cannot name an adapter"):
        together.load("short", folders["short"])
    other = base_at(tmp_path, seed=1)
    with pytest.raises(UserError, match="has changed"):
        AdaptedModels(other, {"short": folders["short"]})
