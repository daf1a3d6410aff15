"""Taking a dataset version to where others get it: a DVC project, a Hugging Face dataset, a Git repository with LFS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tunesmith.core.artifact import MANIFEST, is_done, read_manifest
from tunesmith.core.errors import UserError

HUB = "hub:"
LFS_FILES = "data/*.parquet"


def push(version: Path, where: str) -> str:
    """Take a version to dvc=PROJECT, hf=FOLDER, hf=hub:OWNER/NAME or lfs=REPOSITORY; gives what was done."""
    kind, _, target = where.partition("=")
    if kind not in PUSHES or not target:
        raise UserError(
            f"--push {where}: that is no target.", "dvc=PROJECT, hf=FOLDER, hf=hub:OWNER/NAME or lfs=REPOSITORY"
        )
    if kind == "hf" and target.startswith(HUB):
        return _to_hub(version, target.removeprefix(HUB))
    return PUSHES[kind](version, Path(target))


def _to_dvc(version: Path, project: Path) -> str:
    """`dvc add` and `dvc push`, to the project's own remote; the .dvc file is left for the user to commit."""
    dvc = tool("dvc", "pip install 'tunesmith[dvc]'")
    if not (project / ".dvc").is_dir():
        raise UserError(
            f"{project} is no DVC project.", "In it: dvc init (--no-scm without Git), then dvc remote add -d NAME PLACE"
        )
    if not run([dvc, "remote", "list"], project).strip():
        raise UserError(f"the DVC project {project} has no remote.", "In it: dvc remote add -d NAME PLACE")
    name = _copied(version, project)
    run([dvc, "add", "--quiet", name], project)
    run([dvc, "push", "--quiet", f"{name}.dvc"], project)
    return f"{project / name}: added to DVC and pushed. Commit {name}.dvc to keep this version."


def _to_folder(version: Path, folder: Path) -> str:
    """A copy in the layout of a Hugging Face dataset, which the version has already."""
    name = _copied(version, folder)
    return f"{folder / name}: datasets.load_dataset({str(folder / name)!r}) reads it."


def _to_hub(version: Path, repository: str) -> str:
    return upload(version, repository, "dataset", f"Version {version.name}")


def upload(folder: Path, repository: str, kind: str, message: str) -> str:
    """A private repository of a kind (dataset, model) on a Hub; who may see it is decided there, by its owner."""
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(repository, repo_type=kind, private=True, exist_ok=True)
    done = api.upload_folder(repo_id=repository, repo_type=kind, folder_path=str(folder), commit_message=message)
    return f"{repository}: uploaded ({done.oid})."


def _to_lfs(version: Path, repository: Path) -> str:
    """Track the data with Git LFS, commit, and push where the branch has an upstream."""
    git = tool("git", "Install Git.")
    if subprocess.run([git, "lfs", "version"], capture_output=True, check=False).returncode:
        raise UserError(
            "this needs Git LFS, which is not installed.", "apt-get install git-lfs, or brew install git-lfs"
        )
    if subprocess.run([git, "rev-parse"], cwd=_folder(repository), capture_output=True, check=False).returncode:
        raise UserError(f"{repository} is no Git repository.", "In it: git init")
    name = _copied(version, repository)
    run([git, "lfs", "install", "--local"], repository)
    run([git, "lfs", "track", f"{name}/{LFS_FILES}"], repository)
    run([git, "add", "--", ".gitattributes", name], repository)
    if run([git, "status", "--porcelain", "--", ".gitattributes", name], repository).strip():
        message = f"{name}: dataset version {_key(version)}"
        run([git, "commit", "--quiet", "-m", message, "--", ".gitattributes", name], repository)
    upstream = subprocess.run([git, "rev-parse", "@{upstream}"], cwd=repository, capture_output=True, check=False)
    if upstream.returncode:
        return f"{repository / name}: committed with Git LFS; the branch has no upstream to push to."
    run([git, "push", "--quiet"], repository)
    return f"{repository / name}: committed with Git LFS and pushed."


PUSHES: dict[str, Callable[[Path, Path], str]] = {"dvc": _to_dvc, "hf": _to_folder, "lfs": _to_lfs}


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise UserError(f"there is no folder {path}.", "Create it first.")
    return path


def _key(version: Path) -> str:
    return read_manifest(version).key


def _copied(version: Path, into: Path) -> str:
    """A copy of a version under its NAME, in place of an earlier version of that name; gives the name."""
    name = read_manifest(version).name
    place = into / name
    if place.exists() and not (is_done(place) and read_manifest(place).kind == "version"):
        raise UserError(f"{place} is there and is no dataset version.", "Move it away, or name another target.")
    new = into / f".{name}.{os.getpid()}.tmp"
    into.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(version, new)
        if place.exists():
            (place / MANIFEST).unlink()  # what is half removed is no version
            shutil.rmtree(place)
        new.rename(place)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return name


def tool(name: str, how: str) -> str:
    """A command on the PATH, or beside this Python; raises UserError where it is not installed."""
    beside = Path(sys.executable).parent
    found = shutil.which(name) or shutil.which(name, path=str(beside))
    if found is None:
        raise UserError(f"this needs the command {name}, which is not installed.", how)
    return found


def run(command: list[str], folder: Path) -> str:
    """What a command says; raises UserError with its own words where it fails."""
    quiet = {"DVC_NO_ANALYTICS": "1", "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, **quiet})
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        shown = " ".join([Path(command[0]).name, *command[1:3]])
        raise UserError(f"{shown} failed in {folder}: {said}", "Mend that, then push again.")
    return done.stdout
