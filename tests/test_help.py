"""`tunesmith --help` answers at once, because nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from tests.running import CLI, cli

HEAVY = ("torch", "transformers", "pyarrow", "pydantic", "numpy", "scipy", "rich", "ruamel.yaml", "sklearn", "fastapi")


def seconds(*command: str) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def extra_seconds() -> float:
    """How much longer the help takes than Python itself: the least of five of each, taken in turns."""
    both = [(seconds(*CLI, "--help"), seconds(sys.executable, "-c", "pass")) for _ in range(5)]
    return min(one for one, _ in both) - min(other for _, other in both)


def test_help_takes_at_most_a_third_of_a_second_more_than_python_itself() -> None:
    tries = iter(range(3))  # a busy machine may need another try
    assert any(extra_seconds() <= 0.3 for _ in tries)


def test_the_command_line_imports_nothing_heavy() -> None:
    code = f"import sys, tunesmith.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("verb", ["demo", "new", "check", "run", "show", "why", "serve", "ask", "list", "data export"])
def test_every_verb_has_help_that_is_a_sentence(verb: str) -> None:
    done = cli(*verb.split(), "--help")
    assert done.code == 0, done.all
    assert done.out.strip().splitlines()[2].strip().rstrip(":").endswith(".") or "." in done.out


def test_a_verb_that_is_not_there_is_refused_without_a_traceback() -> None:
    done = cli("rnu")
    assert done.code == 2
    assert "Traceback" not in done.all
    assert "rnu" in done.err
