"""`tunesmith --help` imports nothing heavy (bench/startup.py measures what it takes)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.running import cli

HEAVY = ("torch", "transformers", "pyarrow", "pydantic", "numpy", "scipy", "rich", "ruamel.yaml", "sklearn", "fastapi")


def test_the_command_line_imports_nothing_heavy() -> None:
    code = f"import sys, tunesmith.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


DATA = [f"data {verb}" for verb in ("card", "export", "version", "diff", "remove", "gc")]
VERBS = ["demo", "new", "check", "run", "show", "why", "serve", "ask", "list", "adapters", "export", "estimate"]


@pytest.mark.parametrize("verb", [*VERBS, *DATA])
def test_every_verb_has_help_that_is_a_sentence(verb: str) -> None:
    done = cli(*verb.split(), "--help")
    assert done.code == 0, done.all
    sentence = done.out.split("\n\n")[1]
    assert sentence.strip().endswith(".")


def test_a_verb_that_is_not_there_is_refused_without_a_traceback() -> None:
    done = cli("rnu")
    assert done.code == 2
    assert "Traceback" not in done.all
    assert "rnu" in done.err
