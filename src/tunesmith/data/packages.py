"""What is known about an installed Python package: its files, its licence as SPDX, the family it belongs to."""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from importlib.resources import files as package_files
from pathlib import PurePosixPath

VENDOR_FOLDERS = frozenset({"_vendor", "_vendored", "extern", "externals", "vendor", "vendored"})
_SPDX_WORD = re.compile(r"[A-Za-z]+-[\w.-]*\d[\w.-]*|0BSD|ISC|MIT|MIT-CMU|HPND|Unlicense|Zlib|AND|OR|WITH")


def normal(name: str) -> str:
    """Write the name of a distribution as the packaging standard compares it.

    >>> normal("Ruamel_YAML"), normal("_vendored.six")
    ('ruamel-yaml', 'vendored-six')
    """
    return re.sub(r"[-_.]+", "-", name).strip("-").lower()


def distributions() -> dict[str, metadata.Distribution]:
    """Give the distributions installed in this environment, by normal name; nothing from elsewhere on sys.path."""
    places: Iterable[str] = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    return {normal(found.name): found for found in metadata.distributions(path=list(places))}


def python_files(found: metadata.Distribution) -> list[str]:
    """Give the Python files a distribution installed, relative to the site folder, sorted."""
    return sorted(str(path) for path in found.files or () if path.suffix == ".py" and ".." not in path.parts)


def licence(found: metadata.Distribution) -> str:
    """Give the SPDX licence: the expression, else a licence field that means one, else what the classifiers name.

    Where several classifiers name licences, all of them are taken to apply; without any, the answer is `unknown`.
    """
    about = found.metadata
    if "License-Expression" in about:
        return about["License-Expression"]
    field = " ".join(about["License"].split()) if "License" in about else ""
    if field and all(_SPDX_WORD.fullmatch(word.strip("()")) for word in field.split()):
        return field
    if field in (texts := _facts()["licence_texts"]):
        return str(texts[field])
    table = _facts()["licences"]
    named = [line.split("::")[-1].strip() for line in about.get_all("Classifier") or [] if line.startswith("License")]
    return " AND ".join(sorted({str(table[name]) for name in named if name in table})) or "unknown"


def families(site: Mapping[str, metadata.Distribution]) -> dict[str, str]:
    """Map each distribution, import name and listed project to its family; a project without kin is its own.

    Kin share a name's beginning (pydantic-core, httpx2), a top-level import package, or a line of packages.yaml.
    """
    listed = {normal(name): family for family, members in _facts()["families"].items() for name in members}
    family_of = dict(listed)
    owner_of: dict[str, str] = {}
    for name in sorted(site):
        tops = _top_levels(site[name])
        kin = next((other for other in sorted(site) if _extends(name, other)), name)
        shared = next((owner_of[top] for top in tops if top in owner_of), None)
        family_of[name] = listed.get(name) or listed.get(kin) or shared or kin
        for top in tops:
            owner_of.setdefault(top, family_of[name])
            family_of.setdefault(normal(top), family_of[name])
    return family_of


def family(package: str, path: str, family_of: Mapping[str, str]) -> str:
    """Name the family of one file: of the project a vendored copy comes from, else of the package it lies in.

    >>> family("pip", "pip/_vendor/rich/text.py", {"rich": "terminal", "pip": "packaging"})
    'terminal'
    >>> family("python", "_pydecimal.py", {})
    'python:decimal'
    """
    parts = PurePosixPath(path).with_suffix("").parts
    vendor = next((i for i, part in enumerate(parts[:-1]) if part in VENDOR_FOLDERS), None)
    if vendor is not None and not parts[vendor + 1].startswith("__"):
        owner = normal(parts[vendor + 1])
    elif package == "python":
        owner = f"python:{_public(parts[0])}"
    else:
        owner = package
    return family_of.get(owner, owner)


def _public(module: str) -> str:
    """Name the public module that a private one implements: _pydecimal is decimal, _strptime is strptime."""
    bare = module.lstrip("_")
    return bare[2:] if bare.startswith("py") and bare[2:] in sys.stdlib_module_names else bare


def _extends(name: str, other: str) -> bool:
    """Tell whether a name is another with a part (pydantic-core) or a generation (httpx2) added."""
    rest = name.removeprefix(other)
    return rest not in ("", name) and (rest.startswith("-") or rest.isdigit())


def _top_levels(found: metadata.Distribution) -> list[str]:
    listed = (found.read_text("top_level.txt") or "").split()
    return sorted(listed or {path.partition("/")[0] for path in python_files(found) if "/" in path})


@cache
def _facts() -> dict[str, dict[str, list[str]]]:
    from ruamel.yaml import YAML

    text = package_files(__package__).joinpath("packages.yaml").read_text(encoding="utf-8")
    facts: dict[str, dict[str, list[str]]] = YAML(typ="safe").load(text)
    return facts
