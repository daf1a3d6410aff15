"""Which files of a dataset's folder or repository make up a split: as its card says, or by the usual names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.core.registry import near

# The words that tell a split in a path, as the datasets library has them.
WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
SHARDED = re.compile(r"(?:^|/)(?!data-)(\w+(?:\.\w+)*)-\d{5}-of-\d{5}")
GLOB = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
# Identifiers of cards are those of SPDX in small letters; these are the data sets' most used ones.
LICENCES = (  # noqa: SIM905 - as a list they would be forty lines
    "Apache-2.0 MIT BSD-2-Clause BSD-3-Clause CC0-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-3.0 "
    "CC-BY-SA-4.0 CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 "
    "CC-BY-ND-4.0 CC-BY-NC-ND-4.0 ODC-By-1.0 ODbL-1.0 PDDL-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 "
    "CDLA-Sharing-1.0 C-UDA-1.0 GFDL-1.3-or-later GPL-2.0-only GPL-3.0-only LGPL-3.0-only AGPL-3.0-only MPL-2.0 "
    "EUPL-1.2 ISC Unlicense Artistic-2.0 OFL-1.1"
).split()
OTHER_NAMES = {"odc-by": "ODC-By-1.0", "odbl": "ODbL-1.0", "pddl": "PDDL-1.0", "gfdl": "GFDL-1.3-or-later"} | {
    name.removesuffix("-only").lower(): name for name in LICENCES if name.endswith("-only")
}
SPDX = {name.lower(): name for name in LICENCES} | OTHER_NAMES


def files_of(names: Sequence[str], card: Mapping[str, object], *, config: str | None, split: str) -> list[str]:
    """The names of the files of a split, sorted; raises UserError if there is no such configuration or split."""
    splits = _by_card(names, card, config) or _by_name(names, config)
    if split not in splits:
        raise UserError(f"hub: there is no split {split!r}.", near(split, sorted(splits)))
    return sorted(splits[split])


def license_of(card: Mapping[str, object]) -> str | None:
    """The licence that a card names, as SPDX writes it; several are all needed. None if it is none of SPDX's."""
    given = card.get("license")
    names = [str(name).lower() for name in (given if isinstance(given, list) else [given])]
    return " AND ".join(SPDX[name] for name in names) if all(name in SPDX for name in names) else None


def _by_card(names: Sequence[str], card: Mapping[str, object], config: str | None) -> dict[str, list[str]]:
    configs = {
        str(one.get("config_name")): one for one in cast("list[Mapping[str, object]]", card.get("configs") or [])
    }
    if not configs:
        return {}
    if config is not None and config not in configs:
        raise UserError(f"hub: there is no configuration {config!r}.", near(config, sorted(configs)))
    chosen = config or _default(configs)
    folder = f"{configs[chosen]['data_dir']}/" if configs[chosen].get("data_dir") else ""
    inside = [name for name in names if name.startswith(folder)]
    patterns = list(_patterns(configs[chosen].get("data_files"), folder))
    if not patterns:
        return _by_name(inside, None)
    splits: dict[str, list[str]] = {}
    for split, pattern in patterns:
        matching = re.compile(
            "".join(GLOB.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))
        )
        splits.setdefault(split, []).extend(name for name in inside if matching.fullmatch(name))
    return splits


def _default(configs: Mapping[str, Mapping[str, object]]) -> str:
    marked = [name for name, one in configs.items() if one.get("default") or name == "default"]
    if len(configs) > 1 and not marked:
        raise UserError("hub: the dataset has several configurations.", f"Choose one by name: {', '.join(configs)}.")
    return marked[0] if marked else next(iter(configs))


def _patterns(given: object, folder: str) -> Iterator[tuple[str, str]]:
    """The patterns of files by split, of whatever form the card has them in."""
    if isinstance(given, Mapping):
        for split, some in given.items():
            yield from ((str(split), pattern) for _, pattern in _patterns(some, folder))
    elif isinstance(given, list):
        for item in given:
            is_split = isinstance(item, Mapping) and "split" in item
            yield from _patterns({item["split"]: item.get("path")} if is_split else item, folder)
    elif isinstance(given, str):
        yield "train", f"{folder}{given}"


def _by_name(names: Sequence[str], config: str | None) -> dict[str, list[str]]:
    inside = [name for name in names if config is None or name.startswith(f"{config}/")]
    if not inside:
        known = sorted({name.partition("/")[0] for name in names if "/" in name})
        raise UserError(f"hub: there is no configuration {config!r}.", near(config or "", known or ["none"]))
    splits: dict[str, list[str]] = {}
    for name in inside:
        splits.setdefault(_split_in(name.removeprefix(f"{config}/")), []).append(name)
    rest = splits.pop("", [])
    return splits or {"train": rest}


def _split_in(name: str) -> str:
    """The split that a path tells; empty if it tells none.

    >>> [_split_in(name) for name in ("data/extra-00000-of-00002.parquet", "dev/a.csv", "my-test.jsonl", "latest.csv")]
    ['extra', 'validation', 'test', '']
    """
    sharded = SHARDED.search(name)
    words = {word: split for split, some in WORDS.items() for word in some}
    if sharded:
        return words.get(sharded[1], sharded[1])
    found = [part for part in re.split(r"[ ._\-/0-9]+", name) if part in words]
    return words[found[0]] if found else ""
