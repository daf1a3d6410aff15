"""The GPU benchmark on a processor: what can be known of it without a GPU."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tunesmith.costs.anatomy import Anatomy

pytest.importorskip("trl", reason="trl is in the dev extra; plain TRL runs beside ours")
pytestmark = pytest.mark.filterwarnings("ignore")  # TRL's own warnings are not ours to fail on


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    path = Path(__file__).parents[2] / "bench" / "gpu.py"
    spec = importlib.util.spec_from_file_location("bench_gpu", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_gpu"] = module
    spec.loader.exec_module(module)
    return module


def test_every_variant_runs_on_a_processor_and_tells_its_speed(gpu: ModuleType, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    gpu.main(["--device", "cpu", "--tiny", "--out", str(tmp_path / "gpu.json")])
    results = json.loads((tmp_path / "gpu.json").read_text())["results"]
    assert {(one["side"], one["adapter"]) for one in results[:4]} == {
        (side, adapter) for side in ("ours", "trl") for adapter in (False, True)
    }
    assert any(one["speed"].get("layout") == "packed" for one in results)
    for one in results:
        assert "skipped" not in one, one
        assert one["tokens_a_second"] > 0
        assert 0 < one["mfu"] < 1.5
    assert results[0]["flops_a_token"] > results[2]["flops_a_token"]  # LoRA takes no gradient of the frozen weights


def test_the_shapes_have_the_parameters_of_the_models_they_are_named_after(gpu: ModuleType) -> None:
    for name, shape in gpu.SHAPES.items():
        anatomy = Anatomy(
            layers=shape["num_hidden_layers"],
            hidden=shape["hidden_size"],
            heads=shape["num_attention_heads"],
            head=shape["hidden_size"] // shape["num_attention_heads"],
            kv_heads=shape["num_key_value_heads"],
            feed_forward=shape["intermediate_size"],
            vocabulary=shape["vocab_size"],
        )
        tables = 1 if shape["tie_word_embeddings"] else 2
        whole = anatomy.body + tables * shape["vocab_size"] * shape["hidden_size"]
        assert whole == pytest.approx(gpu.PARAMETERS[name], rel=2e-3)


def test_the_most_telling_variants_come_first(gpu: ModuleType) -> None:
    shapes = list(gpu.SHAPES)
    variants = gpu.variants_of(shapes)
    assert [variant.speed for variant in variants[: 4 * len(shapes)]] == [{}] * (4 * len(shapes))
    assert any(variant.speed.get("compile") for variant in variants)
