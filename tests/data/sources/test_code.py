"""Source code: folders, git repositories and zip archives, with language and licence."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath, Record
from tunesmith.data.sources.code import code, fingerprint, language_of, read

APACHE = "Licensed under the Apache License, Version 2.0"
FILES = {
    "LICENSE": "Permission is hereby granted, free of charge, to any person obtaining a copy of\nthis software ... "
    "this permission notice shall be included in all copies or substantial portions",
    "src/main.py": "print('hello')\n",
    "src/head.c": f"/* {APACHE} */\nint x;\n",
    "lib/LICENSE.md": "All rights reserved.",
    "lib/theirs.js": "let x\n",
    "run": "#!/usr/bin/env python3\nprint()\n",
    "notes": "plain words\n",
    "data.json": "{}\n",
    "blank.py": " \n",
}


def rows_of(folder: Path, **parameters: object) -> list[Record]:
    pieces = code(folder=LocalPath(str(folder)), **parameters)  # type: ignore[arg-type]
    return [row for piece in pieces for row in read(piece)]


def by_path(rows: list[Record]) -> dict[str, Record]:
    return {str(row["meta"]["path"]): row for row in rows}  # type: ignore[index]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.org", "-c", "init.defaultBranch=main")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *who, *arguments], cwd=folder, env=clean, capture_output=True, check=True, text=True)
    return done.stdout.strip()


def test_each_source_file_is_a_row_with_its_language_and_the_nearest_licence(project: Path) -> None:
    rows = by_path(rows_of(project))
    assert {path: (row["meta"]["language"], row.get("license")) for path, row in rows.items()} == {  # type: ignore[index]
        "lib/theirs.js": ("JavaScript", None),
        "run": ("Python", "MIT"),
        "src/head.c": ("C", "Apache-2.0"),
        "src/main.py": ("Python", "MIT"),
    }
    assert rows["src/main.py"] == {
        "key": "project/src/main.py",
        "text": "print('hello')\n",
        "group": "project",
        "uri": "project/src/main.py",
        "license": "MIT",
        "meta": {"path": "src/main.py", "language": "Python", "size": 15},
    }


def test_languages_choose_and_name_data_too(project: Path) -> None:
    assert set(by_path(rows_of(project, languages=["JSON", "C"]))) == {"data.json", "src/head.c"}
    with pytest.raises(UserError, match="no language is called 'Pyhton'") as caught:
        rows_of(project, languages=["Pyhton"])
    assert caught.value.hint == "Did you mean 'Python'?"
    with pytest.raises(UserError, match="no file in src is in Zig"):
        rows_of(project / "src", languages=["Zig"])


def test_of_a_git_repository_the_tracked_files_are_read_and_the_commit_is_known(project: Path) -> None:
    (project / ".gitignore").write_text("lib/\n", encoding="utf-8")
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "first")
    rows = by_path(rows_of(project))
    assert set(rows) == {"run", "src/head.c", "src/main.py"}
    assert {row["meta"]["commit"] for row in rows.values()} == {git(project, "rev-parse", "HEAD")}  # type: ignore[index]


def test_a_folder_of_repositories_has_a_group_for_each(project: Path) -> None:
    git(project, "init")
    git(project, "add", "src")
    (project.parent / "loose.go").write_text("package x\n", encoding="utf-8")
    rows = rows_of(project.parent)
    assert [(row["group"], row["uri"]) for row in rows] == [
        (project.parent.name, f"{project.parent.name}/loose.go"),
        ("project", f"{project.parent.name}/project/src/head.c"),
        ("project", f"{project.parent.name}/project/src/main.py"),
    ]


def test_without_git_the_folder_is_walked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project, "init")
    git(project, "add", "src")
    monkeypatch.setenv("PATH", "")
    assert len(rows_of(project)) == 4


def test_a_zip_archive_is_read_like_a_folder(project: Path, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "download.zip", "w") as archive:
        archive.comment = b"0123456789" * 4
        for name, content in FILES.items():
            archive.writestr(f"project-main/{name}", content)
    rows = by_path(rows_of(tmp_path / "download.zip"))
    assert set(rows) == set(by_path(rows_of(project)))
    assert rows["src/main.py"]["uri"] == "download.zip/project-main/src/main.py"
    assert (rows["src/main.py"]["group"], rows["src/main.py"]["license"]) == ("project-main", "MIT")
    assert rows["src/main.py"]["meta"]["commit"] == "0123456789" * 4  # type: ignore[index]
    with pytest.raises(UserError, match="neither a folder nor a zip archive"):
        rows_of(project / "run")


def test_links_are_not_followed(project: Path) -> None:
    before = len(rows_of(project))
    (project / "again").symlink_to(project)
    (project / "twice.py").symlink_to(project / "src" / "main.py")
    assert len(rows_of(project)) == before


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "# -*- coding: latin-1 -*-\nx = 'é'\n"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        ("x = 'é'\n".encode("utf-16"), "x = 'é'\n"),
        (b"# coding: nothing-known\nx\n", "# coding: nothing-known\nx\n"),
    ],
)
def test_encodings_are_those_the_file_declares(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "a.py").write_bytes(content)
    assert [row["text"] for row in rows_of(tmp_path)] == [text]


@pytest.mark.parametrize(("content", "problem"), [(b"x = '\xe9'", "can't decode byte 0xe9"), (b"\0\1\2x", "binary")])
def test_code_that_is_no_text_is_quarantined(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "a.py").write_bytes(content)
    [row] = rows_of(tmp_path)
    assert problem in row["quarantine"]["error"]  # type: ignore[index]
    assert row["quarantine"]["raw"] == content  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "content", "language"),
    [
        ("Makefile", b"", "Makefile"),
        ("CMakeLists.txt", b"", "CMake"),
        ("a.h", b"int x;", "C"),
        ("a.h", b"namespace a {\n", "C++"),
        ("a.m", b"@implementation A\n", "Objective-C"),
        ("a.m", b"x = [1 2];\n", "MATLAB"),
        ("a.pl", b":- use_module(x).\n", "Prolog"),
        ("a.v", b"Theorem x : y.\n", "Rocq Prover"),
        ("a.F90", b"", "Fortran"),
        ("tool", b"#!/bin/bash\n", "Shell"),
        ("tool", b"#!/usr/bin/env -S node --x\n", "JavaScript"),
        ("tool", b"words", None),
        ("a.unknown", b"#!/bin/sh\n", None),
    ],
)
def test_a_language_is_known_by_name_first_line_or_content(name: str, content: bytes, language: str | None) -> None:
    assert language_of(name, content) == language


def test_pieces_travel_and_their_fingerprints_follow_content_never_place(project: Path) -> None:
    [piece] = code(folder=LocalPath(str(project)))
    assert pickle.loads(pickle.dumps(piece)) == piece
    before = fingerprint(piece)
    moved = project.rename(project.parent / "elsewhere").rename(project)
    assert fingerprint(code(folder=LocalPath(str(moved)))[0]) == before
    assert str(project) not in before
    (project / "LICENSE").write_text("other", encoding="utf-8")
    assert fingerprint(piece) != before
