"""The card of a checkpoint, in the form of Hugging Face: README.md beside the weights, from report and manifests alone.

It is written after the report and stands in no manifest, so it changes no KEY; it is of the last run that used the
checkpoint. There is no date in it: the same run gives the same card.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import Manifest, replacing
from tunesmith.core.markdown import bullets, cell, fenced, table
from tunesmith.recipe import Recipe
from tunesmith.recipe.grammar import Serve
from tunesmith.run.context import Context
from tunesmith.run.model_card_front import Lineage, front_matter, languages_of, lineage_of, list_of
from tunesmith.run.model_card_numbers import Fields, Report, gate_told, limits, numbers_told

CARD = "README.md"
FEW_ROWS = 1000


def write_model_cards(context: Context, report: Report, checkpoints: Mapping[str, Path]) -> None:
    """Write the card of every checkpoint of a run into its folder, unless it says the same already."""
    for name, folder in checkpoints.items():
        text = model_card(name, folder, context.recipe, report)
        if not (folder / CARD).is_file() or (folder / CARD).read_text("utf-8") != text:
            with replacing(folder / CARD) as temporary:
                temporary.write_text(text, "utf-8")


def model_card(name: str, folder: Path, recipe: Recipe, report: Report) -> str:
    """The text of the card of a run's checkpoint, which lies in its workspace."""
    of = Lineage(folder, list(lineage_of(folder)))
    sections = {
        "": _about(name, of),
        "How it was tuned": _tuned(of, recipe),
        "Data": _data(of, report),
        "Numbers": numbers_told(name, recipe, report),
        "Gate": gate_told(name, report),
        "Limits": bullets(_origin_limits(of, report)) + "\n" + bullets(limits(name, recipe, report)),
        "Checklist for fine-tuning": _checklist(report),
        "How to use it": _use(name, of, report, recipe.serve or Serve()),
        "Recipe": _recipe(recipe),
    }
    texts = [f"## {title}\n\n{text.strip()}" if title else text for title, text in sections.items() if text.strip()]
    return "\n\n".join([f"---\n{front_matter(name, of, recipe, report)}---\n\n# {name}", *texts]) + "\n"


def _about(name: str, of: Lineage) -> str:
    facts = of.own.facts
    kind = "reward model" if of.judges else "language model"
    what = f"An adapter for a {kind}" if of.is_adapter else f"A {kind}"
    if of.base:
        revision = f" at the commit {of.base['revision']}" if "revision" in of.base else ""
        license_ = f"Its licence, as its card has it: {of.license}." if of.license else "Its licence is not known here."
        start = f"`{of.base['name']}`{revision}. {license_}"
    else:
        start = f"random weights (`{of.steps[0].inputs['start']}`)."
    trained = facts.get("trained")
    part = f", of which {trained:,} were trained" if trained not in (None, facts["parameters"]) else ""
    return (
        f"{what} of {facts['parameters']:,} parameters{part}. It started from {start}\n\n"
        f"Made with tunesmith; KEY {of.own.key}. The same recipe, input, kind of device and number of threads give the "
        "same KEY and the same bytes."
    )


def _tuned(of: Lineage, recipe: Recipe) -> str:
    rows = [
        [one.name, one.facts["trainer"], one.inputs["data"], _count(one, "train"), one.facts["steps"],
         _round(one.facts.get("epochs")), one.key] for one in of.steps
    ]  # fmt: skip
    made = table(("step", "trainer", "data", "rows", "steps", "epochs", "KEY"), rows)
    settings = table(("setting", "value", "why"), list(_settings(of.own, recipe)))
    template = of.own.facts.get("template")
    said = [f"The seed is {of.own.seed}."] + ([f"SHA-256 of its chat template: `{template}`."] if template else [])
    return "\n\n".join([made, settings, " ".join(said)])


def _settings(own: Manifest, recipe: Recipe) -> Iterator[tuple[str, object, str]]:
    """Every setting with where it comes from."""
    step = next(step for step in recipe.train if step.name == own.name)
    for name, value in sorted(own.parameters.items()):
        if value in (None, {}) or name == "start":
            continue
        said = name in step.parameters or name in ("tokenizer", "init", "adapter")
        found = "the best of a search" if name in step.search else "as the recipe says" if said else "the default"
        yield name, value, "of the machine it was trained on" if name == "threads" else found
    computed = cast(Mapping[str, Fields], own.facts.get("computed", {}))
    yield from ((name, item["value"], f"computed {item['why']}") for name, item in sorted(computed.items()))


def _data(of: Lineage, report: Report) -> str:
    """The lists trained on: their versions, parts, sources and licences."""
    refs = {ref.partition("/")[0]: ref for ref in of.datasets}
    lists = [
        [name, ref.partition("/")[2], ", ".join(f"{part} {rows:,}" for part, rows in _counts(report, name, "parts")),
         list_of(report, name).get("fed_from")] for name, ref in refs.items()
    ]  # fmt: skip
    sources = [[name, source, rows] for name in refs for source, rows in _counts(report, name, "sources")]
    licences = [[name, licence, rows] for name in refs for licence, rows in _counts(report, name, "licenses")]
    run = report["run"]
    return "\n\n".join(
        [
            table(("list", "KEY", "rows", "fed from"), lists),
            table(("list", "source", "records"), sources),
            table(("list", "licence", "records"), licences),
            f"How a list came about: `tunesmith data card {run}.{next(iter(refs))}`.",
        ]
    )


def _origin_limits(of: Lineage, report: Report) -> Iterator[str]:
    """What is to be known of start and data."""
    if not of.license:
        yield "Under which licence this model may be used is for its makers to say: no card of a base says it."
    if not of.base:
        yield "It was trained from random weights, and knows nothing beyond its rows."
    for one in of.steps:
        if _count(one, "train") < FEW_ROWS:
            yield f"{one.name} was trained on {_count(one, 'train'):,} rows, fewer than {FEW_ROWS:,}."
    for name in of.lists:
        if unknown := dict(_counts(report, name, "licenses")).get("unknown"):
            yield f"The licence of {unknown:,} records of {name} is not known."
    if not languages_of(of, report):
        yield "The languages of its rows were not identified."


def _checklist(report: Report) -> str:
    items = [one for one in cast(Sequence[Fields], report["checklist"]) if one["list"] == "fine-tuning"]
    return table(("item", "state", "why"), [[one["item"], one["state"], one["why"]] for one in items])


def _use(name: str, of: Lineage, report: Report, serve: Serve) -> str:
    if of.judges or of.own.facts.get("template") is None:
        return _use_of_others(of)
    load = 'pipeline("text-generation", model=".")  # the folder of this card'
    code = f"""
from transformers import pipeline

model = {load}
chat = [{{"role": "user", "content": "What is it?"}}]
print(model(chat)[0]["generated_text"][-1]["content"])
"""
    client = f"""
from openai import OpenAI

client = OpenAI(base_url="http://{serve.host}:{serve.port or 8000}/v1", api_key="none")
chat = [{{"role": "user", "content": "What is it?"}}]
print(client.chat.completions.create(model="{name}", messages=chat).choices[0].message.content)
"""
    passed = cast(Mapping[str, Fields], report["gate"]).get(name, {}).get("state") == "passed"
    parts = ["With transformers" + (" and peft:" if of.is_adapter else ":"), fenced(code.strip(), "python")]
    if passed:
        command = f"tunesmith serve --run {report['run']} --model {name}"
        parts += ["Behind the OpenAI API, from its workspace:", fenced(command, "sh"), fenced(client.strip(), "python")]
    else:
        parts.append("`tunesmith serve` does not serve it: no gate has passed it.")
    return "\n\n".join(parts)


def _use_of_others(of: Lineage) -> str:
    """How to use what is not asked in chats."""
    if of.judges:
        code = """
from pathlib import Path
from tunesmith.models.reward_model import RewardModel

chat = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A hammer."}]
print(RewardModel(Path(".")).of_chats([chat]))  # higher is better; the zero means nothing
"""
        said = "It judges answers and writes none; `tunesmith serve` does not serve it."
    else:
        code = """
from transformers import pipeline

model = pipeline("text-generation", model=".")  # the folder of this card
print(model("Once upon a time")[0]["generated_text"])
"""
        said = "It continues text, and has no chat template to be asked in; `tunesmith serve` does not serve it."
    return f"{said}\n\n{fenced(code.strip(), 'python')}"


def _recipe(recipe: Recipe) -> str:
    changed = "".join(f"\n- {cell(name)}: {cell(value)}" for name, value in recipe.changed.items())
    before = f"Changed on the command line:\n{changed}\n\n" if changed else ""
    return f"{before}<details>\n<summary>The recipe</summary>\n\n{fenced(recipe.text, 'yaml')}\n\n</details>"


def _counts(report: Report, name: str, what: str) -> list[tuple[str, int]]:
    counts = cast(Mapping[str, int], list_of(report, name).get(what, {}))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _count(manifest: Manifest, part: str) -> int:
    return cast(int, manifest.counts.get(part, 0))


def _round(value: object) -> object:
    return round(value, 2) if isinstance(value, float) else value
