"""The card of a dataset, in the form of Hugging Face, from its manifests and kept rows alone."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import TypedDict, cast

from tunesmith.core.artifact import Manifest
from tunesmith.core.markdown import bullets, short, table
from tunesmith.core.record import kind_of
from tunesmith.data.dataset import Dataset
from tunesmith.data.funnel import funnel, manifests, steps_of
from tunesmith.data.lineage import bound_text, bounds_in, lists_of, steps_in

LANGUAGE = "signal.language"
NO_LANGUAGE = ("und", "zxx")  # ISO 639-2: undetermined, and no linguistic content
LEAST_SHARE = 0.01  # of the rows, for a language to be one that the dataset is in
DOMINANT = 0.8  # of the rows from one source is a limit worth telling
SIZES = {1e3: "n<1K", 1e4: "1K<n<10K", 1e5: "10K<n<100K", 1e6: "100K<n<1M", 1e7: "1M<n<10M", 1e8: "10M<n<100M"}
LARGEST = "100M<n<1B"
KNOWN_OF_A_SOURCE = ("source", "reader", "path", "url", "version", "license", "terms", "date", "selection", "domain")


class Catalogue(TypedDict):
    """card.yaml."""

    licenses: list[str]
    policies: dict[str, list[str]]
    limits: dict[str, str]


def card(name: str, dataset: Dataset, *, files: str = "{part}.parquet") -> str:
    """The text of the dataset's README.md: front matter, then what it is and how it came about.

    `files` is where the data of a part lies: as `tunesmith data export` is told to write it, or as a version has it.
    """
    lists = lists_of(dataset)
    steps = [manifest for each in lists for manifest in manifests(each)]
    kept = {column: _tally(dataset, column) for column in ("license", "source", "part", "domain", LANGUAGE)}
    sections = {
        "": _about(dataset, kept),
        "Sources": _sources(steps, kept["source"]),
        "Licences": table(("licence", "records"), _counts(kept["license"])),
        "Processing": "\n\n".join(_processing(each, several=len(lists) > 1) for each in lists),
        "Toxicity, adult content and personal data": _policy(steps),
        "Splits": _splits(kept["part"], files),
        "Known limits": bullets(_limits(dataset, steps, kept)),
    }
    texts = [f"## {title}\n\n{text}" if title else text for title, text in sections.items() if text]
    return "\n\n".join([f"---\n{_front(name, dataset, kept, files)}---\n\n# {name}", *texts]) + "\n"


def _tally(dataset: Dataset, column: str) -> Counter[str]:
    """How many kept rows have each value of a column; nothing if it is not there."""
    found: Counter[str] = Counter()
    if column in dataset.columns:
        for table in dataset.tables([column]):
            for pair in table[column].value_counts().to_pylist():
                found[str(pair["values"] or "unknown")] += pair["counts"]
    return found


def _front(name: str, dataset: Dataset, kept: Mapping[str, Counter[str]], files: str) -> str:
    from ruamel.yaml import YAML

    rows = dataset.count()
    matter: dict[str, object] = {
        "pretty_name": name,
        "license": hub_licenses(kept["license"] or ["unknown"]),
        "language": languages_in(kept[LANGUAGE]),
        "size_categories": [next((size for limit, size in SIZES.items() if rows < limit), LARGEST)],
        "tags": ["tunesmith", kind_of(dataset.columns)],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": part, "path": files.format(part=part)} for part in _parts(kept["part"])],
            }
        ],
    }
    out = io.StringIO()
    writer = YAML()
    writer.dump({key: value for key, value in matter.items() if value}, out)
    return out.getvalue()


def _parts(parts: Counter[str]) -> list[str]:
    return [part for part, _ in _counts(parts)] or ["train"]


def hub_licenses(licenses: Iterable[str]) -> list[str]:
    """The licences as the front matter may name them, each once.

    >>> hub_licenses(["CC-BY-SA-4.0", "GPL-3.0-or-later", "GFDL-1.3-only", "LicenseRef-Ours", "unknown"])
    ['cc-by-sa-4.0', 'gfdl', 'gpl-3.0', 'other', 'unknown']
    """
    known = _catalogue()["licenses"]
    found = set()
    for name in licenses:
        plain = re.sub(r"-(only|or-later)$", "", name.lower())
        fitting = [each for each in (plain, re.sub(r"-[\d.]+$", "", plain)) if each in known]
        found.add("unknown" if name == "unknown" else next(iter(fitting), "other"))
    return sorted(found)


def languages_in(languages: Counter[str]) -> list[str]:
    """The languages of at least one row in a hundred, the most frequent first."""
    often = [code for code, rows in _counts(languages) if rows >= LEAST_SHARE * languages.total()]
    return [code for code in often if re.fullmatch(r"[a-z]{2,3}", code) and code not in NO_LANGUAGE]


def _about(dataset: Dataset, kept: Mapping[str, Counter[str]]) -> str:
    kind = kind_of(dataset.columns)
    rows = dataset.count()
    read = sum(funnel(each).read for each in lists_of(dataset)[:1])
    sentences = [f"{rows:,} {kind}{'' if rows == 1 else 's'}, kept of {read:,} records that were read."]
    if languages := languages_in(kept[LANGUAGE]):
        sentences.append(f"Languages, as identified: {', '.join(languages)}.")
    if domains := [f"{domain} ({rows:,})" for domain, rows in _counts(kept["domain"]) if domain != "unknown"]:
        sentences.append(f"Domains: {', '.join(domains)}.")
    key = dataset.folder.name
    sentences.append(f"Made with tunesmith; KEY {key}. The same recipe and input give the same KEY and the same bytes.")
    return " ".join(sentences)


def _sources(steps: Sequence[Manifest], kept: Counter[str]) -> str:
    """What is known of each source: as the recipe says it, with its records and those kept."""
    rows = []
    for step in steps:
        read = cast(Mapping[str, int], step.facts.get("sources", {}))
        origins = cast(Sequence[Mapping[str, object]], step.facts.get("origins") or [])
        told = {str(origin.get("source")): origin for origin in origins}
        for source in (name for name in dict.fromkeys([*told, *read]) if origins or step.inputs == {}):
            facts = {"source": source, **told.get(source, {})}
            rows.append([*(facts.get(fact) for fact in KNOWN_OF_A_SOURCE), read.get(source, 0), kept.get(source, 0)])
    return table((*KNOWN_OF_A_SOURCE, "records", "kept"), rows)


def _processing(dataset: Dataset, *, several: bool) -> str:
    """Every step of a list with its parameters, and where its records went."""
    made = manifests(dataset)
    done = [row for manifest in made for row in _done(manifest)]
    went = [[row[column] for column in ("step", "in", "made", "dropped", "why", "kept")] for row in steps_of(dataset)]
    title = f"### {made[-1].name}\n\n" if several else ""
    return "\n\n".join(
        [
            title + table(("step", "what it did"), done),
            table(("after", "in", "made", "lost", "why", "left"), went),
        ]
    )


def _done(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What a manifest tells of its steps: functions with their parameters, and bounds."""
    for step in steps_in(manifest):
        given = cast(Mapping[str, object], step.get("parameters", {}))
        told = [f"{name} {short(value)}" for name, value in given.items() if value is not None]
        on = [f"on {step['on']}"] if step.get("on") else []
        yield f"{step['kind']} {step['as']}", ", ".join([f"{step['name']} version {step['version']}", *on, *told])
    mark = " (marked, none dropped)" if manifest.parameters.get("mark") else ""
    for bound in bounds_in(manifest):
        verb = "keep" if bound.get("weight") is None else f"weigh {bound['weight']}"
        yield f"bound on {bound['step']}{mark}", f"{verb} {bound['column']}: {bound_text(bound)}"


def _policy(steps: Sequence[Manifest]) -> str:
    """For each policy, what ran and what it did; or plainly that nothing did."""
    ran = [step for manifest in steps for step in steps_in(manifest)]
    sentences = []
    for policy, names in _catalogue()["policies"].items():
        acts = [_act(step, steps) for step in ran if step["name"] in names]
        said = "; ".join(acts) or f"not treated, since no {' or '.join(names)} ran"
        sentences.append(f"{policy.capitalize()}: {said}.")
    return bullets(sentences)


def _act(step: Mapping[str, object], steps: Sequence[Manifest]) -> str:
    """What came of a step: texts changed, or records dropped or weighed by what it measured."""
    label = str(step["as"])
    given = cast(Mapping[str, object], step.get("parameters", {}))
    options = ", ".join(f"{name} {short(value)}" for name, value in given.items() if value is not None)
    bounds = [what for manifest in steps for bound, what in _done(manifest) if bound.startswith(f"bound on {label}")]
    acts = ["it changed the texts"] if step["kind"] == "edit" else bounds
    if bounds:
        lost = [cast(Mapping[str, int], manifest.counts.get("dropped", {})) for manifest in steps]
        gone = sum(count for each in lost for why, count in each.items() if why.startswith(f"{label}: "))
        acts = [*acts, f"{gone:,} records dropped"]
    said = ", ".join(acts) or "measured, and nothing was decided by it"
    return f"{step['kind']} {label}{f' ({options})' if options else ''}: {said}"


def _splits(parts: Counter[str], files: str) -> str:
    how = "" if "/" in files else ", as `tunesmith data export` writes it"
    if not parts:
        return f"One split, `train`: the file `{files.format(part='train')}`{how}."
    rows = [(part, count, f"`{files.format(part=part)}`") for part, count in _counts(parts)]
    return table(("split", "records", f"file{how}"), rows)


def _limits(dataset: Dataset, steps: Sequence[Manifest], kept: Mapping[str, Counter[str]]) -> Iterator[str]:
    """What whoever uses the dataset should know that it lacks, each by a number or by a step that did not run."""
    rows = dataset.count()
    if unknown := kept["license"]["unknown"] if kept["license"] else rows:
        yield f"The licence of {unknown:,} of {rows:,} records is not known."
    source, most = max(kept["source"].items(), key=lambda item: item[1], default=("", 0))
    if most > DOMINANT * rows and len(kept["source"]) > 1:
        yield f"{most / rows:.0%} of the records are from the source {source}."
    ran = {str(step["name"]) for manifest in steps for step in steps_in(manifest)}
    yield from (sentence for step, sentence in _catalogue()["limits"].items() if step not in ran)
    if aside := sum(cast(int, manifest.counts.get("quarantined", 0)) for manifest in steps):
        yield f"Could not be read or processed, and in quarantine instead of the dataset: {aside:,}."


def _counts(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _catalogue() -> Catalogue:
    from ruamel.yaml import YAML

    text = files("tunesmith.data").joinpath("card.yaml").read_text(encoding="utf-8")
    found: Catalogue = YAML(typ="safe").load(text)
    return found
