from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tunesmith.core.errors import UserError
from tunesmith.data.packages import distributions, families, family, licence
from tunesmith.data.sources.python_code import Piece, fingerprint, first_sentence, python_code, read

SOURCE = '''
def plain(a, b=1, *rest, flag: bool = True, **more) -> "list[int]":
    """Add all numbers. Then forget them."""

def silent(a):
    return a

if True:
    async def guarded():
        "Wait for nothing"

class Outer:
    class Inner:
        @property
        def size(self) -> int:
            """
            Give the size
            in bytes.

            More words.
            """
        @size.setter
        def size(self, value): "Set the size."
'''


def piece(root: Path, *paths: str) -> Piece:
    return Piece("demo", "1.0", "MIT", "demo-family", str(root), tuple(paths), 0)


def rows_of(root: Path, text: str) -> list[dict[str, object]]:
    root.joinpath("demo").mkdir()
    root.joinpath("demo", "__init__.py").write_text(text, encoding="utf-8")
    return list(read(piece(root, "demo/__init__.py")))


def test_a_function_becomes_a_prompt_of_its_signature_and_a_target_of_its_first_sentence(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, SOURCE)
    assert [(row["prompt"], row["target"]) for row in rows] == [
        ("plain(a, b, *rest, flag, **more) -> list[int]", "Add all numbers."),
        ("guarded()", "Wait for nothing"),
        ("Outer.Inner.size() -> int", "Give the size in bytes."),
        ("Outer.Inner.size(value)", "Set the size."),
    ]
    assert all(row["text"] == row["target"] for row in rows)


def test_functions_of_one_name_have_different_keys(tmp_path: Path) -> None:
    keys = [row["key"] for row in rows_of(tmp_path, SOURCE)]
    assert keys[2:] == ["demo:demo:Outer.Inner.size", "demo:demo:Outer.Inner.size:2"]


def test_a_row_says_where_it_comes_from_and_under_which_licence(tmp_path: Path) -> None:
    row = rows_of(tmp_path, SOURCE)[0]
    assert row["origin"] == {"uri": "demo/__init__.py", "line": 2}
    assert (row["license"], row["group"]) == ("MIT", "demo-family")
    assert row["meta"] == {"package": "demo", "version": "1.0", "module": "demo", "class": "", "name": "plain"}
    assert str(tmp_path) not in str(row)


def test_a_file_that_cannot_be_parsed_is_quarantined_with_its_line_and_bytes(tmp_path: Path) -> None:
    text = 'def good():\n    """Be good."""\n\ndef bad(:\n'
    [row] = rows_of(tmp_path, text)
    found = row["quarantine"]
    assert isinstance(found, dict)
    assert (found["uri"], found["line"], found["raw"]) == ("demo/__init__.py", 4, text.encode())


def test_a_docstring_in_latin_1_is_read_by_the_coding_line_of_its_file(tmp_path: Path) -> None:
    tmp_path.joinpath("old.py").write_bytes(
        b'# -*- coding: latin-1 -*-\ndef caf\xe9():\n    """Serve caf\xe9 au lait."""\n'
    )
    assert [row["target"] for row in read(piece(tmp_path, "old.py"))] == ["Serve café au lait."]


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("", ""),
        ("   \n  ", ""),
        ("One line without an end", "One line without an end"),
        ("Use e.g. this one. Not that one.", "Use e.g. this one."),
        ("First\nsecond\n   \nthird", "First second"),
        ("A lone \ud800 surrogate.", "A lone ? surrogate."),
    ],
)
def test_the_first_sentence_is_one_line(docstring: str, sentence: str) -> None:
    assert first_sentence(docstring) == sentence


def test_the_plan_of_the_same_environment_is_the_same_and_travels_between_processes() -> None:
    once = python_code(installed=False)
    again = python_code(installed=False)
    assert once == again == pickle.loads(pickle.dumps(once))
    assert len({fingerprint(p) for p in once}) == len(once) > 10
    assert sum(p.tests_skipped for p in once) > 100


def test_a_plan_never_names_a_test_and_its_fingerprint_no_absolute_path() -> None:
    pieces = python_code(standard_library=False, packages=["pytest", "rich"])
    assert {p.package for p in pieces} == {"pytest", "rich"}
    assert not any("/tests/" in path or "/testing/" in path for p in pieces for path in p.paths)
    assert not any(p.root in fingerprint(p) for p in pieces)


def test_excluding_a_package_leaves_the_others_as_they_were() -> None:
    both = python_code(standard_library=False, packages=["idna", "rich"])
    one = python_code(standard_library=False, packages=["idna", "rich"], exclude=["idna"])
    assert [p for p in both if p.package == "rich"] == one


def test_a_misspelt_package_is_answered_with_the_near_name() -> None:
    with pytest.raises(UserError, match="no installed package is called 'pydntic'") as caught:
        python_code(packages=["pydntic"])
    assert caught.value.hint == "Did you mean 'pydantic'?"


def test_packages_that_belong_together_are_one_family() -> None:
    family_of = families(distributions())
    assert family_of["pydantic"] == family_of["pydantic-core"]
    assert family_of["numpy"] == family_of["scikit-learn"] == family_of["sklearn"]
    assert family_of["numpy"] != family_of["torch"]


def test_a_vendored_copy_belongs_to_its_project() -> None:
    family_of = families(distributions())
    assert family("pip", "pip/_vendor/rich/text.py", family_of) == family_of["rich"]
    assert family("pip", "pip/_vendor/__init__.py", family_of) == family_of["pip"]
    assert family("joblib", "joblib/externals/loky/backend.py", {}) == "loky"


def test_licences_are_spdx() -> None:
    site = distributions()
    assert licence(site["rich"]) == "MIT"
    assert licence(site["transformers"]) == "Apache-2.0"
    assert licence(site["python-dateutil"]) == "Apache-2.0 AND LicenseRef-BSD"
