"""The processes of a training: they work together, end together, and a run goes on after any of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from tests.run.rank_works import add, fail
from tests.running import CLI, bytes_of, cli, write_recipe, write_rows

from tunesmith.core.errors import UserError
from tunesmith.run.ranks import Ranks, ranks_of, together

ROOT = Path(__file__).parents[2]
TWO = Ranks(2, on_this_machine=2)


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # so that the other processes find the tests


def test_processes_come_from_what_was_asked_or_from_a_launcher() -> None:
    assert ranks_of(None, False, {}) == Ranks()
    assert ranks_of(2, True, {}) == Ranks(2, True, 2)
    said = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
    assert ranks_of(None, False, said) == Ranks(4, False, 2, by_launcher=True, rank=1)
    with pytest.raises(UserError, match="a launcher has started 4"):
        ranks_of(2, False, said)
    with pytest.raises(UserError, match="there is one process"):
        ranks_of(None, True, {})


def test_a_key_knows_of_processes_only_where_there_are_several() -> None:
    assert Ranks().in_key == {}
    assert TWO.in_key == {"devices": {"processes": 2, "kind": "ddp"}}
    assert Ranks(2, True).in_key == {"devices": {"processes": 2, "kind": "fsdp"}}


def test_gpus_that_idle_are_told_of() -> None:
    assert Ranks().idle_gpus(0) is None
    assert Ranks().idle_gpus(1) is None
    assert Ranks(8, on_this_machine=8).idle_gpus(8) is None
    assert Ranks().idle_gpus(8) == "8 GPUs are here and 1 is used: --processes 8 trains on all of them."


def test_the_other_process_does_its_part_and_both_have_the_sums(tmp_path: Path) -> None:
    work = partial(add, tmp_path)
    with together(TWO, work):
        work()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "sum_0": "1 of 2 ddp",
        "sum_1": "1 of 2 ddp",
    }


@pytest.mark.parametrize(
    ("how", "told"), [("error", "The disk of the other is full"), ("kill", "process 2 of 2 was killed by signal 9")]
)
def test_a_process_that_fails_ends_the_training_with_what_it_said(how: str, told: str) -> None:
    with pytest.raises(UserError, match=told), together(TWO, partial(fail, how)):
        fail(how)


def _is_there(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_other_process_ends_when_the_first_is_killed(tmp_path: Path) -> None:
    first = subprocess.Popen([sys.executable, "-m", "tests.run.rank_works", str(tmp_path)], cwd=ROOT)
    try:
        while not (tmp_path / "pid").exists():
            assert first.poll() is None
            time.sleep(0.05)
    finally:
        first.kill()
        first.wait()
    other = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 30
    while _is_there(other) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _is_there(other)


RECIPE = """\
name: two
base: scratch:0.1M
data:
  rows:
    - {source: jsonl, path: rows.jsonl, text: answer, license: CC0-1.0}
    - {edit: to_chat, user: "{question}", assistant: "{text}"}
    - {pass: split, parts: {train: 0.8, validation: 0.2}}
train:
  - sft: writer
    data: rows
    tokenizer: {kind: words, vocabulary: 320}
    steps: 30
    batch_size: 8
waive:
  - {check: examples_least, reason: the test has few rows}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rows = [{"question": f"load_{n}", "answer": f"Load the {n}."} for n in map("{:03}".format, range(40))]
    write_rows(tmp_path / "rows.jsonl", rows)
    return write_recipe(tmp_path, RECIPE)


def test_a_run_on_two_processes_that_is_asked_to_end_goes_on_to_the_same_bytes(recipe: Path, tmp_path: Path) -> None:
    whole, asked = tmp_path / "whole", tmp_path / "asked"
    done = cli("run", recipe, "--workspace", whole, "--processes", "2")
    assert done.code == 0, done.all
    command = [*CLI, "run", str(recipe), "--workspace", str(asked), "--processes", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(asked.glob("cache/resume/*/step-*.sha256")):
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    err = process.communicate(timeout=120)[1]
    assert process.returncode == 143, err
    assert "Stopped. Run the same command again" in err
    again = cli("run", recipe, "--workspace", asked, "--processes", "2")
    assert "goes on from step" in again.out
    assert bytes_of(asked) == bytes_of(whole)


def test_a_run_under_a_launcher_is_led_by_its_first_process(recipe: Path, tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "tunesmith.cli", "run", str(recipe), "--workspace", str(tmp_path / "ws")]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    (manifest,) = (tmp_path / "ws").glob("checkpoints/writer/*/manifest.json")
    assert '"processes": 2' in manifest.read_text()
