"""What training relies on in torch, transformers, PEFT and accelerate: an upgrade that changes it fails here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.train.train_toys import scratch_rows

from tunesmith.models.chat import render
from tunesmith.train.batches import Line, collate, pack
from tunesmith.train.losses import label_logits
from tunesmith.train.scratch import scratch_model, scratch_tokenizer
from tunesmith.train.start import texts_of

ROWS = [Line(np.arange(3, 3 + n, dtype=np.int32), np.ones(n, dtype=np.uint8)) for n in (9, 5, 12)]
CHAT = [{"role": "user", "content": "load_config"}, {"role": "assistant", "content": "Load the config."}]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return scratch_tokenizer(texts_of(scratch_rows()), kind="words", vocabulary=320)


@pytest.fixture
def model(tokenizer: Any) -> Any:
    return scratch_model(tokenizer, size="0.1M", embedding_std=0.5).eval()


def apart(model: Any) -> torch.Tensor:
    """The logits of each row alone, end to end, without those of the last tokens."""
    return torch.cat([label_logits(model, collate([row], pad=0))[0] for row in ROWS])


def packed(model: Any, **changes: Any) -> torch.Tensor:
    """The same logits of all rows end to end, the model called as for training but for the changes."""
    batch = pack(ROWS, pad=0)
    given = {name: value for name, value in {**batch.inputs, **changes}.items() if value is not None}
    with torch.no_grad():
        logits = model(**given).logits[:, :-1]
    found: torch.Tensor = logits[batch.labels_BT[:, 1:] != -100]
    return found


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_packed_rows_do_not_see_one_another(attention: str, model: Any) -> None:
    model.set_attn_implementation(attention)
    assert model.config._attn_implementation == attention
    with torch.no_grad():
        assert float((packed(model) - apart(model)).abs().max()) < 1e-5


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize(
    "changes",
    [{"position_ids": None}, {"attention_mask": torch.ones(1, 64, dtype=torch.int64)}],
    ids=["no places", "a mask"],
)
def test_packed_rows_see_one_another_without_places_or_with_a_mask(
    changes: dict[str, Any], attention: str, model: Any
) -> None:
    model.set_attn_implementation(attention)
    with torch.no_grad():
        assert float((packed(model, **changes) - apart(model)).abs().max()) > 1e-3


def test_a_call_without_cache_gives_none(model: Any) -> None:
    ids = torch.tensor([[3, 4, 5]])
    assert model(input_ids=ids, use_cache=False).past_key_values is None
    assert model(input_ids=ids, use_cache=True).past_key_values is not None


def test_body_and_head_apart_are_the_whole_model(model: Any) -> None:
    ids = torch.tensor([[3, 4, 5, 6]])
    with torch.no_grad():
        whole = model(input_ids=ids).logits
        parts = model.get_output_embeddings()(model.base_model(input_ids=ids).last_hidden_state)
    assert torch.equal(whole, parts)


def test_tied_weights_are_one_and_stay_one_on_disk(model: Any, tmp_path: Path) -> None:
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM

    state = model.state_dict(keep_vars=True)
    assert state["lm_head.weight"] is state["model.embed_tokens.weight"]
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert "lm_head.weight" not in file.keys()  # noqa: SIM118  # safe_open is no mapping
    again = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True, dtype=torch.float32)
    assert again.lm_head.weight is again.model.embed_tokens.weight
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)


def test_layers_are_named_by_what_must_not_be_split(model: Any) -> None:
    names = {type(layer).__name__ for layer in model.model.layers}
    assert names == set(model._no_split_modules)


def test_decoding_settings_keep_their_names(model: Any, tmp_path: Path) -> None:
    from transformers import GenerationConfig

    given = {"do_sample": False, "repetition_penalty": 1.1, "max_new_tokens": 16, "eos_token_id": 1, "pad_token_id": 0}
    model.generation_config = GenerationConfig(**given)
    model.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "generation_config.json").read_text())
    assert {name: written.get(name) for name in given} == given


def test_the_chat_template_is_written_into_the_tokenizers_config(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path, save_jinja_files=False)
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["chat_template"] == tokenizer.chat_template
    assert not list(tmp_path.glob("*.jinja"))


def test_the_mask_of_assistant_turns_is_the_one_that_is_learnt(tokenizer: Any) -> None:
    theirs = tokenizer.apply_chat_template(CHAT, return_dict=True, return_assistant_tokens_mask=True)
    ours = render(tokenizer, CHAT)
    assert (ours.ids, ours.mask) == (theirs["input_ids"], theirs["assistant_masks"])
    assert 0 < sum(ours.mask) < len(ours.mask)


def test_the_state_of_adamw_has_the_names_that_resume_files_hold(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = torch.optim.AdamW([weight], lr=0.1, fused=True)
    weight.sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    state = optimizer.state_dict()
    assert set(state) == {"state", "param_groups"}
    assert set(state["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    torch.save(state, tmp_path / "state.pt")
    again = torch.load(tmp_path / "state.pt", weights_only=True)
    assert torch.equal(again["state"][0]["exp_avg"], state["state"][0]["exp_avg"])


def test_a_file_of_weights_runs_no_code(tmp_path: Path) -> None:
    import pickle

    torch.save({"made by": Path("a class that is not on torch's list")}, tmp_path / "state.pt")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "state.pt", weights_only=True)


def test_gradients_are_clipped_by_the_norm_of_all_of_them() -> None:
    weights = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))]
    weights[0].grad, weights[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    assert float(torch.nn.utils.clip_grad_norm_(weights, 1.0)) == 5.0
    assert float(weights[0].grad[0]) == pytest.approx(0.6, abs=1e-5)
    assert float(weights[1].grad[0]) == pytest.approx(0.8, abs=1e-5)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # PEFT asks transformers by an old name
def test_an_adapter_keeps_its_base_within_reach(model: Any) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(model, config)
    assert adapted.get_base_model() is model
    assert not adapted.active_peft_config.is_prompt_learning
    moving = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert moving
    assert all("lora_" in name for name in moving)
    ids = torch.tensor([[3, 4, 5]])
    with torch.no_grad():
        assert torch.equal(adapted(input_ids=ids).logits, model(input_ids=ids).logits)


PARTIAL = """
import os, torch
from torch.distributed.fsdp import FSDPModule, fully_shard
torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
layer = torch.nn.Linear(2, 2)
fully_shard(layer, mesh=torch.distributed.device_mesh.init_device_mesh("cpu", (1,)))
state = layer._get_fsdp_state()
state._pre_forward_hook_handle.remove(), state._post_forward_hook_handle.remove()
assert not layer._forward_pre_hooks and not layer._forward_hooks
layer.set_gradient_divide_factor(1.0), layer.set_force_sum_reduction_for_comms(True), layer.reshard()
print(type(layer.weight.data).__name__, tuple(layer.weight.full_tensor().shape))
"""


def python(code: str, **env: str) -> str:
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_fsdp_shards_and_lets_go_as_training_has_it() -> None:
    assert python(PARTIAL, GLOO_SOCKET_IFNAME="lo") == "DTensor (2, 2)"


ALONE = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}


def test_accelerate_on_a_cpu_takes_fsdp_for_plain_copies() -> None:
    """Why training shards by torch's own fully_shard: accelerate says nothing and shards nothing."""
    pytest.importorskip("accelerate")
    code = """
import torch
torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
from accelerate import Accelerator
print(Accelerator(cpu=True).distributed_type)
"""
    env = {**ALONE, "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "GLOO_SOCKET_IFNAME": "lo"}
    assert "FSDP" not in python(code, **env).splitlines()[-1]


def test_buckets_of_copies_stay_as_they_are_where_unused_weights_are_looked_for() -> None:
    """A resumed training adds its gradients in the same order: torch would else sort them after its first step."""
    code = """
import torch
torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2), find_unused_parameters=True)
for _ in range(2):
    net(torch.ones(1, 2)).sum().backward()
print(net.reducer._rebuild_buckets())
"""
    assert python(code, GLOO_SOCKET_IFNAME="lo", TORCH_CPP_LOG_LEVEL="ERROR") == "False"


CLOSED = """
import socket
def refused(*_, **__):
    raise AssertionError("the network was asked for")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refused
import huggingface_hub.constants as hub, transformers, peft
assert hub.HF_HUB_OFFLINE and hub.HF_HUB_DISABLE_TELEMETRY
from pathlib import Path
from tests.train.train_toys import job_at, scratch_rows
from tunesmith.models.base import Sampling
from tunesmith.models.local import LocalModel
from tunesmith.train.job import Scratch
from tunesmith.train.sft import sft
folder = Path({folder!r})
sft(job_at(folder, Scratch("0.1M", {{"kind": "words", "vocabulary": 320}}), scratch_rows()), steps=2)
sft(job_at(folder / "again", folder / "out", scratch_rows()), steps=2)
print(len(LocalModel(folder / "again" / "out").generate([scratch_rows()[0]["messages"][:1]], Sampling())))
"""


def test_training_and_answering_ask_for_no_network(tmp_path: Path) -> None:
    env = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    assert python(CLOSED.format(folder=str(tmp_path)), **env).splitlines()[-1] == "1"
