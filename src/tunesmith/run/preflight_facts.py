"""What the rules of the pre-flight read, gathered from a recipe, its lists and the model that it starts from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tunesmith.core.artifact import is_done, read_manifest, write_json
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import file_sha256
from tunesmith.costs.shapes import SCRATCH
from tunesmith.data.dataset import Dataset
from tunesmith.data.edits.redact_pii import redact
from tunesmith.data.funnel import funnel
from tunesmith.models.adapter_folder import is_adapter, read_adapter
from tunesmith.models.template import template_faults
from tunesmith.recipe import Recipe, TrainStep
from tunesmith.recipe.parameters import options
from tunesmith.run.bases import find_base
from tunesmith.run.context import Context, Made, Plan, make, ref_of
from tunesmith.run.overlap import train_overlap
from tunesmith.run.scored_rows import scored_rows
from tunesmith.run.train_rows import TrainRows
from tunesmith.train.budget import usual_batch
from tunesmith.train.examined import Examined
from tunesmith.train.job import Learns
from tunesmith.train.noted import Held, question_key
from tunesmith.train.preflight import examine
from tunesmith.train.preflight_numbers import Facts
from tunesmith.train.preflight_texts import examine_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VERSION = 2
OF_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
OF_MODEL = ("config.json", "generation_config.json")
USUAL_LENGTH = 512  # of a model from scratch, as scratch_model has it
USUAL_EPOCHS = {
    "sft": 3.0,
    "dpo": 1.2,
    "kto": 1.2,
    "reward": 1.0,
    "pretrain": 1.0,
    "domain": 1.0,
}  # of a step that names no budget
FROM_SCRATCH = 4.0
TUNED = re.compile(r"(?i)(?<![a-z])(instruct|chat|it|sft|dpo|rlhf|assistant|tuned)(?![a-z])")


def facts_of(context: Context, step: TrainStep, lists: Mapping[str, Dataset], checkpoints: Mapping[str, Path]) -> Facts:
    """All that the rules read of one step."""
    recipe, dataset, root = context.recipe, lists[step.data], _root(context.recipe, step)
    given = {name: item.default for name, item in options(step.trainer.load()).items()} | dict(step.parameters)
    folder = _examined(context, step, root, lists, given)
    rows = Examined(**json.loads((folder / "preflight.json").read_text("utf-8")))
    base = None if root.start.startswith(SCRATCH) else find_base(context, root.start, root.where).folder
    starts = [*([base] if base else []), *([checkpoints[step.start]] if step.start in checkpoints else [])]
    return Facts(
        rows=rows,
        goal=recipe.goal,
        epochs=_epochs(step, recipe, given, rows, scratch=step.start.startswith(SCRATCH)),
        validation=dataset.count(part="validation"),
        whole=_whole(recipe, lists),
        template_faults=tuple(f"{one.name}: {fault}" for one in starts for fault in template_faults(one)),
        tuned=_tuned(base) if base is not None and step is root else None,
        test=_test_rows(recipe, lists),
        near=_near(context, lists),
        trainer=step.trainer.name,
        scratch=step.start.startswith(SCRATCH),
    )


def _root(recipe: Recipe, step: TrainStep) -> TrainStep:
    """The step whose start is no other step: the tokenizer of its base is that of all that follow."""
    above = {one.name: one for one in recipe.train}
    return _root(recipe, above[step.start]) if step.start in above else step


def _examined(
    context: Context,
    step: TrainStep,
    root: TrainStep,
    lists: Mapping[str, Dataset],
    given: Mapping[str, object],
) -> Path:
    """What was measured of a step's rows, as an artifact: a rerun does not measure again."""
    dataset, seed = lists[step.data], context.recipe.seed
    if not dataset.count(part="train"):
        raise UserError(f"{step.where}: there are no rows to train on.", f"Look at what was dropped from {step.data}.")
    evaluation, learns = context.recipe.evaluate, step.learns
    base = None if root.start.startswith(SCRATCH) else find_base(context, root.start, root.where).folder
    start: object = [root.start, root.tokenizer, root.init] if base is None else _fingerprint(base)
    longest = cast("int | None", given.get("length" if learns == "texts" else "max_length"))
    inputs = {name: ref_of(lists[called].folder) for name, called in zip(("data", "replay"), step.lists, strict=False)}
    inputs |= {"tokenizer": ref_of(lists[root.data].folder)} if base is None else {}
    inputs |= {"on": ref_of(lists[evaluation.on.name].folder)} if evaluation else {}
    on = str(evaluation.on) if evaluation else None
    parameters = {"learns": learns, "max_length": longest, "start": start, "on": on}
    plan = Plan("report", f"preflight-{step.data}", "preflight", VERSION, parameters, inputs, seed)

    def work(out: Path) -> Made:
        room = int(str(root.init.get("length", USUAL_LENGTH))) if base is None else _room(base)
        held = {"validation": _questions(dataset, "validation")}
        held |= {"test": _questions(lists[evaluation.on.name], evaluation.on.part)} if evaluation else {}
        found = _measured(
            _tokenizer(base, root, lists[root.data], chats=learns != "texts"),
            [TrainRows(lists[name], "train") for name in step.lists],
            learns=cast("Learns", learns),
            limit=min(longest or room, room),
            stops=_stops(base),
            held={part: keys for part, keys in held.items() if keys},
            seed=seed,
        )
        write_json(out / "preflight.json", found.as_json())
        return Made({"rows": found.rows})

    with context.timed("pre-flight"):
        return make(context, plan, work)


def _measured(
    tokenizer: PreTrainedTokenizerFast,
    rows: Sequence[TrainRows],
    *,
    learns: Learns,
    limit: int,
    stops: Iterable[int],
    held: Held,
    seed: int,
) -> Examined:
    """What was measured of the rows, the first of these; what is replayed, the others, is looked through for leaks."""
    if learns == "texts":
        also = chain.from_iterable(rows[1:])
        return examine_texts(tokenizer, rows[0], limit=limit, also=also, held=held, seed=seed, clean=redact)
    return examine(tokenizer, rows[0], limit=limit, learns=learns, stops=stops, held=held, seed=seed, clean=redact)


def _tokenizer(base: Path | None, root: TrainStep, dataset: Dataset, *, chats: bool) -> PreTrainedTokenizerFast:
    """The tokenizer that the training will use: the base's, or one learnt from the rows just as the training does."""
    if base is None:
        from tunesmith.train.scratch import scratch_tokenizer
        from tunesmith.train.start import texts_of

        return scratch_tokenizer(texts_of(TrainRows(dataset, "train")), **root.tokenizer)  # type: ignore[arg-type]  # checked with the recipe
    from transformers import AutoTokenizer

    tokenizer = cast("PreTrainedTokenizerFast", AutoTokenizer.from_pretrained(base, local_files_only=True))
    if chats and not tokenizer.chat_template:
        hint = (
            "Start from its instruction-tuned variant; a base without a template was not tuned to follow instructions."
        )
        raise UserError(f"{root.where}: the tokenizer in {base.name} has no chat template.", hint)
    return tokenizer


def _questions(dataset: Dataset, part: str | None) -> frozenset[int]:
    columns = [name for name in ("messages", "text") if name in dataset.columns]
    tables = dataset.tables(columns, part=part)
    return frozenset(question_key(row) for table in tables for row in table.to_pylist())


def _fingerprint(base: Path) -> dict[str, str]:
    names = (*OF_TOKENIZER, *OF_MODEL)
    return {name: file_sha256(base / name) for name in names if (base / name).is_file()}


def _config(base: Path, name: str) -> Mapping[str, object]:
    path = base / name
    if not path.is_file() and is_adapter(base):
        path = read_adapter(base).base / name
    return cast("Mapping[str, object]", json.loads(path.read_text("utf-8"))) if path.is_file() else {}


def _room(base: Path) -> int:
    """Tokens the model can hold."""
    config = _config(base, "config.json")
    inner = cast("Mapping[str, object]", config.get("text_config") or {})
    room = config.get("max_position_embeddings") or inner.get("max_position_embeddings")
    if room is None:
        raise UserError(f"{base.name}/config.json does not say max_position_embeddings.", "Give the step a max_length.")
    return int(str(room))


def _stops(base: Path | None) -> Iterable[int]:
    """What ends an answer beside the tokenizer's own stop token: what the base's decoding settings say."""
    ends = _config(base, "generation_config.json").get("eos_token_id") if base else None
    return cast("list[int]", ends if isinstance(ends, list) else [] if ends is None else [ends])


def _tuned(base: Path) -> tuple[bool, str]:
    """Whether a base follows instructions, and what says so: its manifest, or its name."""
    if is_done(base):
        facts = read_manifest(base).facts
        trained = bool(facts.get("steps"))
        return (
            trained,
            f"its manifest says that it was {'tuned by ' + str(facts.get('trainer')) if trained else 'not trained'}",
        )
    names = [base.name, str(_config(base, "config.json").get("_name_or_path") or "")]
    said = next((found[0] for name in names if (found := TUNED.search(name))), None)
    return (
        said is not None,
        f"its name says {said!r}" if said else f"neither the name {base.name} nor a manifest says so",
    )


def _epochs(
    step: TrainStep, recipe: Recipe, given: Mapping[str, object], rows: Examined, *, scratch: bool
) -> float | None:
    """How often each row is seen; None where the trainer will compute it."""
    steps = recipe.steps or given.get("steps")
    if steps is not None:
        size = _step_size(given, rows, scratch=scratch)
        return None if size is None else float(str(steps)) * size / rows.weight
    if given.get("tokens") is not None:
        return float(str(given["tokens"])) / rows.weight
    if given.get("epochs") is not None:
        return float(str(given["epochs"]))
    usual = USUAL_EPOCHS.get(step.trainer.name)
    return FROM_SCRATCH if scratch and usual is not None else usual


def _step_size(given: Mapping[str, object], rows: Examined, *, scratch: bool) -> float | None:
    """Rows of a step, or tokens where it learns texts; None where that depends on the device."""
    size, length = given.get("batch_size"), given.get("length")
    if rows.learns == "texts":
        own = 1.0 - float(str(given.get("replay_share") or 0.0))
        return None if size is None or length is None else own * float(str(size)) * float(str(length))
    return float(str(size or usual_batch(rows.rows, scratch=scratch).value))


def _whole(recipe: Recipe, lists: Mapping[str, Dataset]) -> bool:
    """Whether all rows were read: a rehearsal stops at so many of each source."""
    return recipe.rows is None or all(funnel(dataset).read < recipe.rows for dataset in lists.values())


def _test_rows(recipe: Recipe, lists: Mapping[str, Dataset]) -> int | None:
    on = recipe.evaluate.on if recipe.evaluate else None
    return lists[on.name].count(part=on.part) if on else None


def _near(context: Context, lists: Mapping[str, Dataset]) -> tuple[int, int] | None:
    """Scored rows that overlap rows trained on; None until every list that is trained on is there."""
    evaluation = context.recipe.evaluate
    if evaluation is None or any(name not in lists for step in context.recipe.train for name in step.lists):
        return None
    on = lists[evaluation.on.name]
    if not on.count(part=evaluation.on.part):
        return None  # a rehearsal may draw none; the evaluation of a run refuses
    overlap = train_overlap(context, scored_rows(context, evaluation, on), on, lists)
    return overlap.counts if overlap else None
