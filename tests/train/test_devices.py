"""Several processes train what one trains alone, and go on to the same bytes when they are killed."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.running import bytes_of_folder
from tests.train.rank_toys import start_at, together, train

from tunesmith.core.errors import UserError
from tunesmith.train.batches import Index, parts_of
from tunesmith.train.devices import Devices, dealt, launched
from tunesmith.train.spread import check_sharded

LENGTHS: Index = np.array([3, 9, 4, 4, 8, 2, 7, 30, 5, 6, 1])


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("room", [None, 12, 40])
def test_every_row_is_in_one_part_and_parts_of_a_round_are_alike(world: int, room: int | None) -> None:
    parts = parts_of(np.arange(len(LENGTHS)), LENGTHS, room, world=world)
    assert sorted(np.concatenate(parts)) == list(range(len(LENGTHS)))
    for part in parts:
        assert room is None or len(part) == 1 or len(part) * LENGTHS[part].max() <= room
    for start in range(0, len(parts), world):
        sizes = [len(part) for part in parts[start : start + world]]
        assert max(sizes) - min(sizes) <= 1


def test_each_process_has_as_many_parts_and_those_without_stand_in() -> None:
    found = [[(part, idle) for _, part, idle, _ in dealt("abcde", Devices(rank, 3))] for rank in range(3)]
    assert found == [
        [("a", False), ("d", False)],
        [("b", False), ("e", False)],
        [("c", False), ("d", True)],
    ]
    assert [last for *_, last in dealt("abcde", Devices(0, 3))] == [False, True]


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP was asked for, but there is one process"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1", "WORLD_SIZE": "2"}, "FSDP 1 was asked for"),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "WORLD_SIZE": "2"}, "DeepSpeed was asked for"),
        ({"FSDP_OFFLOAD_PARAMS": "true", "ACCELERATE_USE_FSDP": "true", "WORLD_SIZE": "2"}, "memory of the CPU"),
        ({"MASTER_PORT": "0", "WORLD_SIZE": "2"}, "MASTER_PORT 0"),
    ],
)
def test_what_a_launcher_asks_for_and_would_not_get_is_refused(said: dict[str, str], what: str) -> None:
    with pytest.raises(UserError, match=what):
        launched(said)


def test_a_launcher_says_how_many_processes_there_are_and_whether_to_shard() -> None:
    said = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
    found = launched(said)
    assert (found.rank, found.world, found.on_this_machine, found.shard) == (3, 4, 2, True)
    assert launched({}).world == 1


def test_weights_that_are_not_in_shards_are_not_taken_for_fsdp() -> None:
    with pytest.raises(UserError, match="FSDP was asked for, but 2 weights are not in shards, weight among them"):
        check_sharded(torch.nn.Linear(2, 2))


DDP, FSDP = "ddp:sft", "fsdp:dpo_lora"
BOTTLENECKS = ["ddp:dpo_bottleneck", "fsdp:sft_bottleneck"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A start, and trainings of it in two processes."""
    folder = tmp_path_factory.mktemp("ranks")
    together(start_at(folder), folder, DDP, FSDP, *BOTTLENECKS)
    return folder


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # PEFT asks transformers by an old name
@pytest.mark.parametrize("training", [DDP, FSDP, *BOTTLENECKS])
def test_two_processes_train_what_one_does_up_to_rounding(training: str, undisturbed: Path) -> None:
    trainer = training.partition(":")[2]
    train(trainer, undisturbed / "start", undisturbed / f"alone_{trainer}")
    alone, both = undisturbed / f"alone_{trainer}" / "out", undisturbed / training / "out"
    curves = [json.loads((out / "curve.json").read_text()) for out in (alone, both)]
    assert len(curves[0]) == len(curves[1])
    for one, other in zip(*curves, strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-5)
    assert bytes_of_folder(alone).keys() == bytes_of_folder(both).keys()
    name = "model.safetensors" if trainer == "sft" else "adapter_model.safetensors"
    weights, same = load_file(alone / name), load_file(both / name)
    assert weights.keys() == same.keys()
    assert max(float((weights[name] - same[name]).abs().max()) for name in weights) < 1e-6


@pytest.mark.parametrize(
    ("training", "die"), [(DDP, {1: 5}), (FSDP, {0: 4, 1: 4})], ids=["one of the copies", "both with shards"]
)
def test_killed_processes_go_on_to_the_same_bytes(
    training: str, die: dict[int, int], undisturbed: Path, tmp_path: Path
) -> None:
    # Beside the trainings, as the other: the way from an adapter to its base is written down.
    start = Path(shutil.copytree(undisturbed / "start", tmp_path / "start"))
    codes = together(start, tmp_path, training, die=die)
    assert [codes[rank] for rank in die] == [-signal.SIGKILL] * len(die)
    assert all(codes)  # none goes on without the others
    assert list((tmp_path / training / "resume").glob("step-*.pt"))
    assert not (tmp_path / training / "out").exists()
    together(start, tmp_path, training)
    assert bytes_of_folder(tmp_path / training / "out") == bytes_of_folder(undisturbed / training / "out")
