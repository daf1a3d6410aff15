"""Names to functions: a file of that name, another package's entry point, or the user's own ./file.py:function."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tunesmith.core import registry
from tunesmith.core.errors import UserError
from tunesmith.core.registry import KINDS, Named, help_of, names, near


def test_a_registered_name_is_a_file_with_a_function_of_that_name() -> None:
    assert {"words", "characters", "language", "regex"} <= set(names("signal"))
    assert {"exact_dedup", "sample", "split"} <= set(names("pass"))
    assert not [name for kind in KINDS for name in names(kind) if name.startswith("_")]
    assert Named("signal", "words").load()(["two", "words"]) == 2
    assert Named("signal", "words").fingerprint() is None  # its VERSION is what a KEY knows


def test_every_name_has_a_help_line_that_is_a_sentence() -> None:
    for kind in KINDS:
        for name in names(kind):
            assert help_of(kind, name).strip().endswith((".", ":")), (kind, name)


def test_listing_names_imports_none_of_them() -> None:
    code = (
        "import sys; from tunesmith.core.registry import *\n"
        "for kind in KINDS:\n    [help_of(kind, name) for name in names(kind)]\n"
        "heavy = ('tunesmith.data', 'tunesmith.train', 'torch', 'numpy')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_misspelt_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(UserError) as raised:
        Named("signal", "wrods").load()
    assert raised.value.problem == "there is no signal 'wrods'."
    assert raised.value.hint == "Did you mean 'words'? All: tunesmith list signal"
    assert near("qqq", ["b", "a"]) == "Known: a, b."


def test_user_code_is_found_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def shout(text):\n    return text.upper()\n\n\ndef other():\n    pass\n")
    named = Named("signal", "./mine.py:shout", str(tmp_path))
    assert named.label == "shout"
    assert named.load()("a") == "A"
    with pytest.raises(UserError) as raised:
        Named("signal", "./mine.py:shuot", str(tmp_path)).load()
    assert "no function 'shuot'" in raised.value.problem
    assert raised.value.hint == "Its functions: other, shout."
    with pytest.raises(UserError, match="does not exist"):
        Named("signal", "./nowhere.py:shout", str(tmp_path)).load()


def fingerprint(folder: Path) -> str | None:
    return Named("signal", "./mine.py:count", str(folder)).fingerprint()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """User code that imports a module, which imports a package, which names a file; and files that it does not use."""
    files = {
        "mine.py": "import json\nimport helper\n\n\ndef count(text):\n    return helper.count(text)\n",
        "helper.py": "from lists.verbs import VERBS\n\n\ndef count(text):\n    return len(VERBS)\n",
        "lists/__init__.py": "",
        "lists/verbs.py": "from pathlib import Path\n\nVERBS = Path('words/verbs.txt')\n",
        "words/verbs.txt": "load\nsave\n",
        "unused.py": "print()\n",
        "notes.txt": "nothing of it is code\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", ["mine.py", "helper.py", "lists/__init__.py", "lists/verbs.py", "words/verbs.txt"])
def test_the_fingerprint_of_user_code_changes_with_each_file_it_uses(name: str, code: Path) -> None:
    before = fingerprint(code)
    with (code / name).open("a") as file:
        file.write("\n# changed\n")
    assert fingerprint(code) != before


@pytest.mark.parametrize("name", ["unused.py", "notes.txt"])
def test_the_fingerprint_of_user_code_does_not_change_with_other_files(name: str, code: Path) -> None:
    before = fingerprint(code)
    (code / name).write_text("another\n")
    assert fingerprint(code) == before


def test_the_fingerprint_of_user_code_does_not_know_where_it_lies(code: Path, tmp_path: Path) -> None:
    before = fingerprint(code)
    moved = tmp_path.with_name(f"{tmp_path.name}_moved")
    tmp_path.rename(moved)
    assert fingerprint(moved) == before


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs a package that registers the signal `loud`, in the version asked for."""
    (tmp_path / "loud_package.py").write_text("def loud(text):\n    return sum(map(str.isupper, text))\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(version: str) -> None:
        facts = tmp_path / "loud_package-1.dist-info"
        facts.mkdir(exist_ok=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: loud-package\nVersion: {version}\n")
        (facts / "entry_points.txt").write_text("[tunesmith.signal]\nloud = loud_package:loud\n")
        registry._points.cache_clear()

    yield install
    registry._points.cache_clear()


def test_another_package_registers_a_name_by_an_entry_point(plugin: Callable[[str], None]) -> None:
    with pytest.raises(UserError):
        Named("signal", "loud").load()
    plugin("1.0")
    assert "loud" in names("signal")
    assert Named("signal", "loud").load()("HEy") == 2
    assert Named("signal", "loud").fingerprint() == "loud-package==1.0"
    plugin("1.1")
    assert Named("signal", "loud").fingerprint() == "loud-package==1.1"
