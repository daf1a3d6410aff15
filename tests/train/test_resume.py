"""Resume state survives kill -9 and damage."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tunesmith.train.loop import Settings, State, train
from tunesmith.train.resume import load_state, save_state

STEPS = 12


class Line(torch.nn.Module):
    """The smallest thing that learns."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.nn.functional.dropout(self.inner(x), 0.5)
        return found


def batches(start: int) -> Iterator[torch.Tensor]:
    for step in range(start, 10_000):
        yield torch.randn(8, 4, generator=torch.Generator().manual_seed(step))


def trained(folder: Path, *, die_at: int | None = None) -> tuple[Any, State]:
    """Train with state written after each step, and kill the process with signal 9 after a given one."""
    torch.set_num_threads(1)

    def die(step: int, of: int, numbers: object) -> None:
        if step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    model: Any = Line()
    state = train(
        model,
        batches,
        loss=lambda net, x: ((net(x) - x).square().mean(), {}),
        settings=Settings(steps=STEPS, learning_rate=0.1, validate_every=3, save_every_s=0.0),
        validate=lambda: {"validation_loss": model.inner.weight.detach().square().sum().item()},
        resume=folder,
        fingerprint="toy",
        say=lambda _: None,
        progress=die,
    )
    return model, state


def killed(folder: Path, at: int) -> None:
    here = Path(__file__)
    code = f"from pathlib import Path; from {here.stem} import trained; trained(Path({str(folder)!r}), die_at={at})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=here.parent, check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


def print_of(model: Any, state: State) -> str:
    weights = b"".join(weight.detach().numpy().tobytes() for weight in model.parameters())
    return hashlib.sha256(weights + repr(state.curve).encode()).hexdigest()


def test_a_training_killed_by_signal_9_ends_with_the_same_bytes(tmp_path: Path) -> None:
    undisturbed = print_of(*trained(tmp_path / "whole"))
    killed(tmp_path / "broken", at=5)
    assert (tmp_path / "broken" / "step-000000004.pt").exists()
    assert print_of(*trained(tmp_path / "broken")) == undisturbed


def test_a_damaged_state_is_passed_over_for_the_one_before_it(tmp_path: Path) -> None:
    undisturbed = print_of(*trained(tmp_path / "whole"))
    killed(tmp_path / "broken", at=7)
    newest = tmp_path / "broken" / "step-000000006.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    (tmp_path / "broken" / "step-000000007.part").write_bytes(b"half a file")
    found = load_state(tmp_path / "broken", fingerprint="toy")
    assert found is not None
    assert found["step"] == 5
    assert print_of(*trained(tmp_path / "broken")) == undisturbed


def test_two_states_are_kept_and_one_without_its_hash_is_not_believed(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_state(tmp_path, {"step": step, "fingerprint": "f"}, step)
    assert sorted(file.name for file in tmp_path.glob("*.pt")) == ["step-000000002.pt", "step-000000003.pt"]
    (tmp_path / "step-000000003.sha256").unlink()
    assert load_state(tmp_path, fingerprint="f") == {"step": 2, "fingerprint": "f"}
    assert load_state(tmp_path, fingerprint="another") is None


def test_the_best_weights_by_validation_are_the_ones_kept(tmp_path: Path) -> None:
    model, state = trained(tmp_path)
    best = min(state.curve, key=lambda entry: entry["validation_loss"])
    assert state.best_step == best["step"]
    assert model.inner.weight.detach().square().sum().item() == best["validation_loss"]
