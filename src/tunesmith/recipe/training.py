"""The train section: one checkpoint a step."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tunesmith.core.errors import UserError
from tunesmith.core.registry import Named, names, near
from tunesmith.costs.shapes import SCRATCH, SIZES
from tunesmith.evaluate.asked import asks_of
from tunesmith.recipe.fields import Found, first_key, take
from tunesmith.recipe.grammar import AdapterChoice, DataList, RewardTerm, TrainStep
from tunesmith.recipe.lists import parts_of
from tunesmith.recipe.parameters import check_options, check_parameters
from tunesmith.recipe.yaml import At
from tunesmith.train.adapters import ADAPTERS, check
from tunesmith.train.job import Adapter
from tunesmith.train.scratch import scratch_model, scratch_tokenizer

SHARED = ("data", "from", "tokenizer", "init", "adapter", "search", "replay", "reward")
RESERVED = ("base", "untrained")
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w./-]+)?")  # ORG/NAME, or ORG/NAME@REVISION
TRIALS_MOST = 24
GIVEN_TO_SCRATCH = frozenset({"size", "seed"})  # by the engine: base: and seed: say them


def parse_training(
    at: At | None, found: Found, lists: Mapping[str, DataList], base: str | None
) -> tuple[TrainStep, ...]:
    """The train steps, in order; each starts from the one above it unless `from:` says otherwise."""
    if at is None:
        return ()
    if not isinstance(at.value, list):
        found.error(f"{at}: train: is a list of steps.", "Begin a step with '- sft: NAME'.")
        return ()
    steps: list[TrainStep] = []
    for item in at.each():
        step = _parse(item, found, lists, base, steps)
        if step is not None and any(step.name == other.name for other in steps):
            found.error(f"{item}: there are two train steps {step.name!r}.", "Give each checkpoint its own name.")
        elif step is not None:
            steps.append(step)
    return tuple(steps)


def _parse(
    at: At, found: Found, lists: Mapping[str, DataList], base: str | None, above: list[TrainStep]
) -> TrainStep | None:
    kind = first_key(at)
    if kind is None or kind not in names("train"):
        known = names("train")
        found.error(f"{at}: there is no trainer {kind!r}.", f"{near(kind or '', known)} Write '- sft: NAME'.")
        return None
    named = Named("train", kind, str(found.folder))
    own = {name: item for name, item in at.items() if name != kind and name not in SHARED}
    values, mistakes = check_parameters(named, own, at, also=SHARED)
    found.errors.extend(mistakes)
    start = _start(at, found, base, above)
    name = found.name(at.child(kind), default="")
    if name in RESERVED:
        found.error(f"{at}: {name!r} is the name of an arm.", "Give the checkpoint another name.")
    step = TrainStep(
        named,
        name,
        _data(at, found, lists),
        start,
        str(at),
        values,
        _options(take(at, "tokenizer"), scratch_tokenizer, found),
        _options(take(at, "init"), scratch_model, found),
        _adapter(take(at, "adapter"), found),
        _search(take(at, "search"), named, at, found),
        _replay(at, named, found, lists),
        _reward(at, named, above, found),
    )
    _check_adapter(step, above, found)
    if (step.tokenizer or step.init) and not start.startswith(SCRATCH):
        found.error(f"{at}: tokenizer: and init: belong to a model from scratch.", "Only the first step takes them.")
    return step


def _adapter(at: At | None, found: Found) -> AdapterChoice | None:
    """`adapter: lora`, or with options `adapter: {lora: {rank: 32}}`."""
    if at is None:
        return None
    kind = first_key(at) if isinstance(at.value, Mapping) else found.text(at, default=None)
    if kind not in ADAPTERS:
        found.error(f"{at}: there is no adapter {kind!r}.", near(kind or "", list(ADAPTERS)))
        return None
    options = at.child(kind) if isinstance(at.value, Mapping) else None
    given = {} if options is None else _options(options, ADAPTERS[kind], found)
    try:
        check(Adapter(kind, given))
    except UserError as error:
        found.error(f"{at}: {error.problem}", error.hint)
    return AdapterChoice(kind, given)


def _check_adapter(step: TrainStep, above: list[TrainStep], found: Found) -> None:
    """Note an adapter that has nothing to stand on."""
    if step.adapter is None:
        return
    if step.start.startswith(SCRATCH):
        hint = "Put a step without adapter: before it."
        found.error(f"{step.where}: a {step.adapter.kind} adapter cannot be trained on random weights.", hint)
    elif _is_adapted(step.start, above) or (found.folder / step.start / "adapter_config.json").is_file():
        found.error(
            f"{step.where}: it starts from {step.start!r}, an adapter, and names another one.",
            "Leave adapter: out to train that one further, or merge it first, if its kind can be: tunesmith export",
        )


def _is_adapted(start: str, above: list[TrainStep]) -> bool:
    step = next((one for one in above if one.name == start), None)
    return step is not None and (step.adapter is not None or _is_adapted(step.start, above))


def _search(at: At | None, named: Named, step: At, found: Found) -> dict[str, tuple[object, ...]]:
    """`search: {learning_rate: [1e-4, 3e-4]}`: each value must be one that the parameter takes."""
    if at is None:
        return {}
    if not isinstance(at.value, Mapping):
        found.error(f"{at}: search: maps parameters to lists of values.", "Write {learning_rate: [1e-4, 3e-4]}.")
        return {}
    tried: dict[str, tuple[object, ...]] = {}
    for name, values in at.items():
        if not isinstance(values.value, list) or not values.value:
            found.error(f"{values}: it takes a list of values to try.", f"Write {name}: [.., ..].")
            continue
        if name in getattr(named.module(), "CHANGES_VALIDATION", ("max_length",)):
            hint = "Compare such settings by evaluating a candidate for each."
            found.error(f"{values}: {name} changes what validation loss measures, so it cannot decide.", hint)
            continue
        checked = [check_parameters(named, {name: value}, step, also=SHARED) for value in values.each()]
        found.errors.extend(error for _, mistakes in checked for error in mistakes)
        tried[name] = tuple(value[name] for value, mistakes in checked if not mistakes)
    if math.prod(map(len, tried.values())) > TRIALS_MOST:
        found.error(f"{at}: these are more than {TRIALS_MOST} combinations.", "Search is small: try fewer values.")
    return tried


def _start(at: At, found: Found, base: str | None, above: list[TrainStep]) -> str:
    written = [step.name for step in above if not step.judges]  # a reward model is no start of one that answers
    start = found.text(take(at, "from"), default=None) or (written[-1] if written else base)
    if start is None:
        found.error(
            f"{at}: nothing says what it starts from.", "Add base: (a model folder, or scratch:1M) to the recipe."
        )
        return "scratch:1M"
    known = [step.name for step in above]
    if start in known and start not in written:
        found.error(f"{take(at, 'from')}: {start!r} is a reward model.", "Start from a step that answers.")
    if start in known:
        return start
    if start.startswith(SCRATCH):
        size = start.removeprefix(SCRATCH)
        if size.lower() not in map(str.lower, SIZES):
            found.error(f"{at}: there is no size {start!r}.", near(size, list(SIZES)))
    elif "/" not in start and take(at, "from") and start != base:
        found.error(f"{take(at, 'from')}: no step above it is called {start!r}.", near(start, known))
    elif not is_model(found.folder / start) and not _may_be_on_a_hub(found, start):
        hint = "Name a folder with config.json, model.safetensors and tokenizer.json, ORG/NAME of a hub, or scratch:1M."
        found.error(f"{at}: it starts from {start!r}, which is no model folder here.", hint)
    return start


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model, or an adapter on one."""
    return any((folder / name).is_file() for name in ("config.json", "adapter_config.json"))


def _may_be_on_a_hub(found: Found, start: str) -> bool:
    """Whether it is written as the id of a model, and no folder of that name is here; the hub is asked when it runs."""
    return HUB_ID.fullmatch(start) is not None and not (found.folder / start).exists()


def _data(at: At, found: Found, lists: Mapping[str, DataList]) -> str:
    given = found.text(take(at, "data"), default=None)
    if given is None and len(lists) == 1:
        given = next(iter(lists))
    if given is None:
        found.error(f"{at}: it does not say which list it learns from.", f"Add data: with one of {', '.join(lists)}.")
    elif given not in lists:
        found.error(f"{take(at, 'data')}: there is no list {given!r}.", near(given, list(lists)))
    elif "train" not in parts_of(lists, given):
        hint = "Add - pass: split with parts {train: ..., validation: ...} to it, or begin it from: a split list."
        found.error(f"{take(at, 'data') or at}: the list {given!r} has no part train.", hint)
    return given or ""


def _replay(at: At, named: Named, found: Found, lists: Mapping[str, DataList]) -> str | None:
    """`replay: general`: the list of general text that a step learns beside its own, so as not to forget it."""
    given = take(at, "replay")
    if given is None:
        return None
    if not getattr(named.module(), "REPLAYS", False):
        found.error(f"{given}: {named.name} replays nothing.", "replay: belongs to a domain step.")
        return None
    name = found.text(given, default=None) or ""
    if name not in lists:
        found.error(f"{given}: there is no list {name!r}.", near(name, list(lists)))
        return None
    if "train" not in parts_of(lists, name):
        found.error(f"{given}: the list {name!r} has no part train.", "Add - pass: split to it.")
    return name


def _reward(at: At, named: Named, above: list[TrainStep], found: Found) -> tuple[RewardTerm, ...]:
    """`reward: style`, or with weights `reward: {helpful: 1, rouge_l: 0.5}`: metrics and reward models."""
    given, takes = take(at, "reward"), getattr(named.module(), "REWARDED", False)
    if named.name == "reward":  # there the word names the step
        return ()
    if given is None or not takes:
        if given is not None:
            found.error(f"{given}: {named.name} takes no reward.", "reward: belongs to an rlhf step.")
        elif takes:
            hint = "Name a reward step above it, the folder of a reward model, or a metric such as rouge_l."
            found.error(f"{at}: nothing says what answers are rewarded by.", f"Add reward: to it. {hint}")
        return ()
    if not isinstance(given.value, Mapping):
        return tuple(_terms(given, str(given.plain), 1.0, above, found))
    terms: list[RewardTerm] = []
    for name, weight in given.items():
        terms += _terms(given, name, found.number(weight, default=1.0), above, found)
    return tuple(terms)


def _terms(at: At, name: str, weight: float, above: list[TrainStep], found: Found) -> list[RewardTerm]:
    step = next((one for one in above if one.name == name), None)
    if step is not None and not step.judges:
        found.error(f"{at}: {name!r} is trained by {step.trainer.name}, not a reward model.", "Name a reward step.")
    elif step is not None or is_model(found.folder / name):
        return [RewardTerm(name, weight)]
    else:
        metric = Named("metric", name, str(found.folder))
        try:
            metric.load()
            if asks_of(metric) != "answers":
                raise UserError(f"{name} measures {asks_of(metric)}, not answers.", "Choose another metric.")
        except UserError as error:
            hint = f"{error.hint} A reward is a metric, a reward step above, or the folder of a reward model."
            found.error(f"{at}: {error.problem}", hint)
            return []
        return [RewardTerm(name, weight, metric)]
    return []


def _options(at: At | None, function: Callable[..., object], found: Found) -> dict[str, object]:
    if at is None:
        return {}
    if not isinstance(at.value, Mapping):
        found.error(f"{at}: {at.plain!r} is not a mapping.", "For example {vocabulary: 4096}.")
        return {}
    name = at.path.rpartition(".")[2]
    values, mistakes = check_options(function, name, dict(at.items()), at, engine=GIVEN_TO_SCRATCH)
    found.errors.extend(mistakes)
    return values
