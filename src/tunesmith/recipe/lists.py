"""The data section: one list of steps, or several named ones."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import cast

from tunesmith.core.bound import Bound
from tunesmith.core.errors import UserError
from tunesmith.core.record import WHERE, Where
from tunesmith.core.registry import Named, near
from tunesmith.data.files import expand as expand_path
from tunesmith.recipe.bounds import check_bound, parse_keep, parse_weigh
from tunesmith.recipe.fields import NAME, Found, first_key, one_of, take
from tunesmith.recipe.grammar import STEP_KINDS, DataList, Feed, Step, StepKind
from tunesmith.recipe.parameters import check_parameters, options
from tunesmith.recipe.presets import expand
from tunesmith.recipe.yaml import At

PRESET = "preset"
SHARED = ("as", "on", "keep", "weigh")  # parameters of every step that belong to the engine
FACTS = ("url", "version", "terms", "date", "selection")  # of a source, for its manifest and card
OF_SOURCES = ("domain", "license", "group", "path", *FACTS)


def parse_lists(at: At | None, found: Found) -> dict[str, DataList]:
    """All data lists by name, in the order they stand."""
    if at is None:
        return {}
    if isinstance(at.value, list):
        return {"data": _parse_list("data", at, found)}
    if not isinstance(at.value, Mapping):
        found.error(f"{at}: data: is a list of steps, or several named lists.", "Begin a step with - source: jsonl")
        return {}
    lists = {}
    for name, item in at.items():
        if not isinstance(item.value, list):
            found.error(f"{item}: {name!r} is not a list of steps.", "Begin each step with '- KIND: NAME'.")
        elif not NAME.fullmatch(name):
            found.error(f"{item}: a list cannot be called {name!r}.", "Names are letters, digits, - and _.")
        else:
            lists[name] = _parse_list(name, item, found)
    _check_feeds(lists, found)
    return lists


def _parse_list(name: str, at: At, found: Found) -> DataList:
    items = at.each()
    feed = None
    if items and first_key(items[0]) == "from":
        feed = parse_feed(str(items[0].child("from").value))
        one_of(items[0], ("from",), found)
        items = items[1:]
    written = [step for item in items for step in (expand(item, found) if first_key(item) == PRESET else [item])]
    steps = tuple(step for item in written if (step := _parse_step(item, found)) is not None)
    _check_list(at, steps, feed, found)
    return DataList(name, steps, feed)


def parse_feed(text: str) -> Feed:
    """A list, or one part of it, from `tickets` or `tickets.train`."""
    name, _, part = text.partition(".")
    return Feed(name, part or None)


def _check_list(at: At, steps: tuple[Step, ...], feed: Feed | None, found: Found) -> None:
    if not steps and not feed:
        found.error(f"{at}: the list is empty.", "Begin it with - source: NAME or - from: LIST.")
        return
    if steps and feed is None and steps[0].kind != "source":
        found.error(f"{steps[0].where}: a list begins with a source: or from:.", "Put the source first.")
    later = [step for before, step in pairwise(steps) if step.kind == "source" != before.kind]
    for step in later:
        found.error(f"{step.where}: this source comes after other steps.", "Put all sources of a list first.")
    seen: set[str] = set()
    for step in steps:
        if step.kind in ("signal", "pass") and step.label in seen:
            found.error(f"{step.where}: {step.label!r} is used twice in this list.", "Name the second one with as:.")
        seen.add(step.label)


def _check_feeds(lists: Mapping[str, DataList], found: Found) -> None:
    for data in lists.values():
        feeds = [feed for feed in (data.feed, *_against(data)) if feed]
        for feed in feeds:
            if feed.name not in lists:
                found.error(f"data.{data.name}: there is no list {feed.name!r}.", near(feed.name, list(lists)))
            elif feed.part and feed.part not in parts_of(lists, feed.name):
                known = parts_of(lists, feed.name)
                hint = near(feed.part, known) if known else "Split it first: - pass: split."
                found.error(f"data.{data.name}: {feed.name!r} has no part {feed.part!r}.", hint)


def _against(data: DataList) -> list[Feed]:
    return [value for step in data.steps for value in step.parameters.values() if isinstance(value, Feed)]


def parts_of(lists: Mapping[str, DataList], name: str) -> list[str]:
    """The parts that a list has: those of its last split, or of the list it is fed from."""
    data = lists.get(name)
    while data is not None:
        for step in reversed(data.steps):
            if step.function.name == "split":
                return [str(part) for part in cast(Mapping[str, object], step.parameters.get("parts", {}))]
        if data.feed is None or data.feed.part:
            return [data.feed.part] if data.feed and data.feed.part else []
        data = lists.get(data.feed.name)
    return []


def _parse_step(at: At, found: Found) -> Step | None:
    kind = first_key(at)
    if kind is None:
        found.error(
            f"{at}: {at.plain!r} is not a step.", "A step is written '- KIND: NAME', such as '- signal: words'."
        )
        return None
    if kind not in STEP_KINDS:
        found.error(f"{at}: there is no kind of step {kind!r}.", near(kind, [*STEP_KINDS, PRESET, "from"]))
        return None
    name = at.child(kind)
    if not isinstance(name.value, str):
        found.error(f"{name}: this {kind} has no name.", f"All of them: tunesmith list {kind}")
        return None
    named = Named(kind, str(name.value), str(found.folder))
    if kind == "review":
        return _review(at, named, found)
    try:
        named.load()
    except UserError as error:
        found.error(f"{at}: {error.problem}", error.hint)
        check_bound(at, found)
        return None
    return _step(at, cast(StepKind, kind), named, found)


def _review(at: At, named: Named, found: Found) -> Step:
    one_of(at, ("review", "sample"), found)
    sample = found.whole(take(at, "sample"), default=100)
    if sample < 1:
        found.error(f"{at}: a round of {sample} rows asks nobody.", "For example sample: 100.")
    label = found.name(at.child("review"), default="review")
    return Step("review", named, label, str(at), {}, {"verdict": Bound(deny=("drop",), missing="keep")}, sample=sample)


def _step(at: At, kind: StepKind, named: Named, found: Found) -> Step:
    shared = [name for name in SHARED if kind == "signal" or name != "on"]  # elsewhere `on` is no word of ours
    own = {name: item for name, item in at.items() if name != kind and name not in shared}
    engine = {name: own.pop(name) for name in OF_SOURCES if kind == "source" and _belongs_to_engine(named, name, own)}
    feeds = {name: own.pop(name) for name in list(own) if kind == "pass" and _names_rows(named, name, own[name])}
    on = take(at, "on") if "on" in shared else None
    hidden = frozenset(feeds) | {name for name in options(named.load()) if _is_fitted(named, name)}
    values, mistakes = check_parameters(named, own, at, engine=hidden, also=OF_SOURCES if kind == "source" else shared)
    found.errors.extend(mistakes or _own_check(named, values, at))
    label = found.name(take(at, "as"), default=named.label)
    parameters = {**values, **{name: parse_feed(str(item.value)) for name, item in feeds.items()}}
    if "path" in engine:
        parameters["path"] = _path(engine["path"], named, found)
    elif kind == "source" and _reads_files(named):
        found.error(f"{at}: {named.name} needs path:.", "Name a file, a folder or a glob such as raw/*.jsonl.gz.")
    return Step(
        kind,
        named,
        label,
        str(at),
        parameters,
        keep=parse_keep(at, kind, named, parameters, found) if not mistakes or take(at, "keep") else {},
        weigh=parse_weigh(at, kind, found),
        on=_on(on, found),
        domain=found.text(engine.get("domain"), default=None),
        license=found.text(engine.get("license"), default=None),
        group=found.text(engine.get("group"), default=None),
        facts={name: str(engine[name].plain) for name in FACTS if name in engine},
    )


def _path(at: At, named: Named, found: Found) -> object:
    """The files a source names, as the recipe has them; each has to match some file."""
    given = at.plain
    if not given or not (
        isinstance(given, str) or (isinstance(given, list) and all(isinstance(p, str) for p in given))
    ):
        found.error(f"{at}: {given!r} is neither a path nor a list of paths.", "For example raw/*.jsonl.gz.")
        return given
    try:
        expand_path(cast(str | list[str], given), found.folder, getattr(named.module(), "SUFFIXES", ()))
    except UserError as error:
        found.error(f"{at}: {error.problem}", error.hint)
    return given


def _own_check(named: Named, values: Mapping[str, object], at: At) -> list[UserError]:
    """What the function's own module finds wrong with its parameters, if it has a `check`."""
    try:
        getattr(named.module(), "check", lambda **_: None)(**values)
    except UserError as error:
        return [UserError(f"{at}: {error.problem}", error.hint)]
    return []


def _belongs_to_engine(named: Named, name: str, given: Mapping[str, At]) -> bool:
    return name in given and name not in options(named.load())


def _takes_rows(named: Named, name: str) -> bool:
    known = options(named.load())
    return name in known and "Stream" in str(known[name].annotation)


def _names_rows(named: Named, name: str, at: At) -> bool:
    """Whether what the recipe gives here names a list; a list of paths, where it may, does not."""
    return _takes_rows(named, name) and not isinstance(at.value, list)


def _is_fitted(named: Named, name: str) -> bool:
    return "Fitted" in str(options(named.load())[name].annotation)


def _reads_files(named: Named) -> bool:
    import inspect

    return next(iter(inspect.signature(named.load()).parameters), "") == "file"


def _on(at: At | None, found: Found) -> Where | None:
    return None if at is None else cast(Where, found.choice(at, WHERE, default="text"))
