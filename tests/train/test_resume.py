"""Resume state survives kill -9 and damage."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.train import resume
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


def trained(
    folder: Path,
    *,
    die_at: int | None = None,
    say: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int, object], None] = lambda *_: None,
) -> tuple[Any, State]:
    """Train with state written after each step, and kill the process with signal 9 after a given one."""
    torch.set_num_threads(1)

    def die(step: int, of: int, numbers: object) -> None:
        if step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        progress(step, of, numbers)

    model: Any = Line()
    state = train(
        model,
        batches,
        loss=lambda net, x: ((net(x) - x).square().mean(), {}),
        settings=Settings(steps=STEPS, learning_rate=0.1, validate_every=3, save_every_s=0.0),
        validate=lambda: {"validation_loss": model.inner.weight.detach().square().sum().item()},
        resume=folder,
        fingerprint="toy",
        say=say,
        progress=die,
    )
    return model, state


def killed(folder: Path, at: int) -> None:
    process = run_here(f"trained(Path({str(folder)!r}), die_at={at})")
    assert process.wait() == -signal.SIGKILL


MOMENTS = ("half of a state is written", "a state has no hash yet", "a hash has no name yet", "former states go")


def dying(function: Callable[..., Any], when: Callable[..., bool]) -> Any:
    """The function, before which this process is killed with signal 9 once it is given such arguments."""

    def called(*given: Any) -> Any:
        if when(*given):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given)

    return called


def die_when(moment: str, at: int) -> None:
    """Kill this process with signal 9 at a moment of writing the state of a step."""
    state, digest = f"step-{at:09d}.pt", f"step-{at:09d}.sha256"
    save = torch.save

    def halved(packed: dict[str, Any], path: Path) -> bool:
        if packed["step"] != at:
            return False
        save(packed, path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return True

    def one_gone(folder: Path, kept: set[Path]) -> bool:
        if folder / state not in kept:
            return False
        next(path for path in sorted(folder.glob("step-*.pt")) if path not in kept).unlink()
        return True

    if moment == MOMENTS[0]:
        torch.save = dying(torch.save, halved)
    elif moment == MOMENTS[1]:
        resume._write = dying(resume._write, lambda path, text: path.name == digest)
    elif moment == MOMENTS[2]:
        resume._replace = dying(resume._replace, lambda partial, path: path.name == digest)
    else:
        resume._clear = dying(resume._clear, one_gone)


def run_here(code: str) -> subprocess.Popen[bytes]:
    """A process that has this file's names."""
    here = Path(__file__)
    code = f"from pathlib import Path; from {here.stem} import *; {code}"
    return subprocess.Popen([sys.executable, "-c", code], cwd=here.parent)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_killed_while_it_writes_its_state_ends_with_the_same_bytes(moment: str, tmp_path: Path) -> None:
    undisturbed = print_of(*trained(tmp_path / "whole"))
    broken = tmp_path / "broken"
    process = run_here(f"die_when({moment!r}, 5); trained(Path({str(broken)!r}))")
    assert process.wait() == -signal.SIGKILL
    found = load_state(broken, fingerprint="toy")
    assert found is not None
    assert found["step"] == (5 if moment == MOMENTS[3] else 4)
    assert print_of(*trained(broken)) == undisturbed
    assert sorted(file.name for file in broken.iterdir()) == sorted(
        file.name for file in (tmp_path / "whole").iterdir()
    )


def slow(folder: Path, mark: Path, *, hang: bool = False) -> None:
    """Train so that there is time to be asked to end; each step, or the first for good, waits after its mark."""

    def wait(step: int, of: int, numbers: object) -> None:
        mark.write_text(str(step))
        time.sleep(1000 if hang else 0.1)

    trained(folder, progress=wait)


def asked_to_end(process: subprocess.Popen[bytes], mark: Path) -> None:
    while not mark.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()


def test_a_training_that_is_asked_to_end_writes_its_state_and_goes_on_from_there(tmp_path: Path) -> None:
    undisturbed = print_of(*trained(tmp_path / "whole"))
    process = run_here(f"slow(Path({str(tmp_path / 'asked')!r}), Path({str(tmp_path / 'mark')!r}))")
    asked_to_end(process, tmp_path / "mark")
    assert process.wait() == 143
    reached = int((tmp_path / "mark").read_text())
    assert reached < STEPS
    said: list[str] = []
    assert print_of(*trained(tmp_path / "asked", say=said.append)) == undisturbed
    assert said == [f"goes on from step {reached}"]


def test_the_second_time_a_training_is_asked_to_end_it_does_so_at_once(tmp_path: Path) -> None:
    process = run_here(f"slow(Path({str(tmp_path / 'asked')!r}), Path({str(tmp_path / 'mark')!r}), hang=True)")
    asked_to_end(process, tmp_path / "mark")
    time.sleep(0.5)
    assert process.poll() is None
    process.terminate()
    assert process.wait() == -signal.SIGTERM


def test_a_state_of_another_training_gives_way(tmp_path: Path) -> None:
    save_state(tmp_path, {"step": 9, "fingerprint": "another"}, 9)
    save_state(tmp_path, {"step": 1, "fingerprint": "f"}, 1)
    assert load_state(tmp_path, fingerprint="f") == {"step": 1, "fingerprint": "f"}


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
