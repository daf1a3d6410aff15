"""Mistakes that users make, through the real command line: what, where, what to do; exit code 2, nothing half-done."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import TinyRun
from tests.running import CLI, Done, artifacts, cli, write_recipe, write_rows

GOOD = """\
name: small
data:
  texts:
    - source: jsonl
      path: texts.jsonl
    - signal: words
      keep: {min: 1}
    - pass: split
      parts: {train: 0.5, test: 0.5}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a few rows to read."""
    write_rows(tmp_path / "texts.jsonl", [{"text": f"text number {n}"} for n in range(30)])
    return tmp_path


def refused(done: Done, *said: str) -> None:
    """Assert that a command was refused in words."""
    assert done.code == 2, done.all
    assert "Traceback" not in done.all
    for words in said:
        assert words in done.err, done.err


def run_changed(folder: Path, old: str, new: str) -> Done:
    """Run the good recipe with one thing changed."""
    assert old in GOOD
    recipe = write_recipe(folder, GOOD.replace(old, new))
    done = cli("run", recipe, "--workspace", folder / "ws")
    assert not any("verdicts" in path.read_text("utf-8") for path in (folder / "ws").rglob("manifest.json"))
    return done


def test_a_good_recipe_runs(folder: Path) -> None:
    done = cli("run", write_recipe(folder, GOOD), "--workspace", folder / "ws")
    assert done.code == 0, done.all
    assert artifacts(folder / "ws")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("signal: words", "signal: wrods", ["line 6", "no signal 'wrods'", "Did you mean 'words'?"]),
        ("{min: 1}", "{scor: {min: 1}}", ["line 7", "scor"]),
        ("path: texts.jsonl", "path: text.jsonl", ["line 5", "'text.jsonl' does not exist", "texts.jsonl"]),
        ("path: texts.jsonl", "path: texts.jsonl\n      text: body", ["no row has a column 'body'", "text"]),
        ("    - signal: words", "   - signal: words", ["line 6", "not YAML"]),
        ("name: small", "name: small\nname: large", ["line 2", "name", "may stand once"]),
        ("name: small", "name: small\nserve: {store: yes}", ["'yes' is neither true nor false", "YAML 1.2"]),
        ("{min: 1}", "{min: one}", ["line 7", "'one' is neither a number nor a quantile"]),
        ("train: 0.5,", "train: 0.7,", ["line 8", "add up to 1.2"]),
        ("path: texts.jsonl", "path: texts.jsonl\n      wokers: 2", ["line 6", "no parameter 'wokers'"]),
    ],
    ids=["misspelt", "not measured", "no file", "no column", "YAML", "twice", "yes", "type", "split", "parameter"],
)
def test_a_mistake_in_the_recipe_is_told_with_its_place_and_a_remedy(
    folder: Path, old: str, new: str, said: list[str]
) -> None:
    refused(run_changed(folder, old, new), *said)


def test_all_mistakes_of_a_recipe_are_told_at_once(folder: Path) -> None:
    recipe = write_recipe(folder, GOOD.replace("words", "wrods").replace("0.5}", "0.7}").replace("name:", "nmae:"))
    refused(cli("check", recipe), "3 mistakes", "wrods", "add up to 1.2", "nmae")


def test_an_empty_file_is_named(folder: Path) -> None:
    (folder / "texts.jsonl").write_text("")
    refused(cli("run", write_recipe(folder, GOOD), "--workspace", folder / "ws"), "texts.jsonl", "empty")


def test_a_recipe_that_is_not_utf_8_is_named_with_the_byte(folder: Path) -> None:
    recipe = folder / "recipe.yaml"
    recipe.write_bytes(b"name: caf\xe9\n" + GOOD.encode())
    refused(cli("run", recipe, "--workspace", folder / "ws"), "recipe.yaml is not UTF-8", "Save the recipe as UTF-8")


def test_a_row_that_is_not_utf_8_goes_to_quarantine_and_the_run_goes_on(folder: Path) -> None:
    with (folder / "texts.jsonl").open("ab") as file:
        file.write(b'{"text": "caf\xe9"}\n')
    done = cli("run", write_recipe(folder, GOOD), "--workspace", folder / "ws")
    assert done.code == 0, done.all
    assert "1 quarantined" in done.out


def test_a_locked_workspace_is_refused(folder: Path) -> None:
    (folder / "ws").mkdir()
    with (folder / "ws" / ".lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = cli("run", write_recipe(folder, GOOD), "--workspace", folder / "ws")
    refused(done, "in use by another run", "--workspace")


def test_an_extra_that_is_not_installed_is_named(tiny_run: TinyRun, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['torch'] = sys.modules['transformers'] = None\n"
    )
    recipe = Path(__file__).parents[1] / "tiny.yaml"
    done = cli("run", recipe, "--workspace", tmp_path / "ws", env={"PYTHONPATH": str(tmp_path)})
    refused(done, "pip install 'tunesmith[train]'")


def test_a_port_in_use_is_refused_with_its_number(tiny_run: TinyRun) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(cli("serve", "--workspace", tiny_run.workspace, "--port", str(port)), f"port {port} is in use")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 160 kB, where mounting one is permitted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "none", str(place)], capture_output=True)
    if mount.returncode != 0 or os.statvfs(place).f_blocks * os.statvfs(place).f_frsize > 1 << 20:
        pytest.skip("mounting a small disk needs rights that this machine does not give")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_and_what_is_done_stays(folder: Path, small_disk: Path) -> None:
    rows = [{"text": f"{n} " + str(hash(str(n)) ** 9) * 4} for n in range(3000)]
    write_rows(folder / "texts.jsonl", rows)
    recipe = write_recipe(folder, GOOD)
    refused(cli("run", recipe, "--workspace", small_disk / "ws"), "is full", "goes on where it stopped")
    assert not list((small_disk / "ws").rglob("manifest.json"))
    assert cli("run", recipe, "--workspace", folder / "ws").code == 0


def test_rows_that_are_not_utf_8_stop_the_run_where_they_are_many(folder: Path) -> None:
    with (folder / "texts.jsonl").open("ab") as file:
        file.write(b'{"text": "caf\xe9"}\n' * 21)
    recipe = write_recipe(folder, GOOD)
    refused(cli("run", recipe, "--workspace", folder / "ws"), "21 of 51 records", "texts.jsonl, line 31", "quarantine")
    assert not artifacts(folder / "ws")
    lenient = cli("run", recipe, "--workspace", folder / "ws", "--set", "quarantine={max: 0.5}")
    assert lenient.code == 0, lenient.all
    assert "30 kept, 0 dropped, 21 quarantined" in lenient.out


def test_a_group_that_no_row_has_is_refused_for_a_split_would_leak(folder: Path) -> None:
    done = run_changed(folder, "path: texts.jsonl", "path: texts.jsonl\n      group: author")
    refused(done, "data.texts[0] (line 4)", "group: no row has 'author'")


def test_after_mistakes_the_mended_recipe_runs_in_the_same_workspace(folder: Path) -> None:
    for old, new in (
        ("path: texts.jsonl", "path: texts.jsonl\n      text: body"),
        ("words", "wrods"),
        ("0.5}", "0.7}"),
    ):
        refused(run_changed(folder, old, new))
    assert not artifacts(folder / "ws")
    done = cli("run", write_recipe(folder, GOOD), "--workspace", folder / "ws")
    assert done.code == 0, done.all
    assert not list((folder / "ws").rglob("*.tmp"))


def test_serving_without_its_extra_is_refused_with_the_command_to_install_it(tiny_run: TinyRun, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['fastapi'] = sys.modules['sqlalchemy'] = None\n"
    )
    hidden = {"PYTHONPATH": str(tmp_path)}
    refused(cli("serve", "--workspace", tiny_run.workspace, env=hidden), "pip install 'tunesmith[serve]'")
    told = cli("why", "chatcmpl-1", "--workspace", tiny_run.workspace, env=hidden)
    refused(told, "sqlalchemy, which is not installed", "pip install")


def test_a_workspace_that_is_a_file_is_refused(folder: Path) -> None:
    refused(cli("run", write_recipe(folder, GOOD), "--workspace", folder / "texts.jsonl"), "cannot be a workspace")


def heeds_interrupts() -> None:
    """What a shell starts in the background ignores interrupts, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path) -> None:
    code = "import time\n\n\ndef slow():\n    while True:\n        time.sleep(0.1)\n        yield {'text': 'a'}\n"
    (tmp_path / "slow.py").write_text(code)
    recipe = write_recipe(tmp_path, "name: slow\ndata:\n  - source: ./slow.py:slow\n")
    command = [*CLI, "run", str(recipe), "--workspace", str(tmp_path / "ws")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=heeds_interrupts
    )
    while not list((tmp_path / "ws").glob("datasets/*/*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped. Run the same command again: it goes on where it stopped." in told
    assert "Traceback" not in told
