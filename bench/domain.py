"""What domain tuning gains and what it forgets: `python bench/domain.py DATA`, DATA with eips, dolly15k and ebooks.

A model of 0.9M parameters is pre-trained here on general text (answers of dolly15k, the chapters of eight books), then
reads on in standards documents (EIPs) four ways: without general text, with 5 % and with 25 % of it replayed, and by
LoRA with 5 % (the last two for the first seed alone). Every seed draws its own split, its own initial weights and its
own order. Documents that are near-copies of one another stay on one side of the split; the test part is measured here
only. Rates were chosen on validation documents (`--search` prints them). Each base is kept in the workspace. Writes
bench/results/domain.json.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

from rich.console import Console

from tunesmith.core.artifact import write_json
from tunesmith.data.dataset import Dataset
from tunesmith.recipe import load_recipe
from tunesmith.run import run_recipe
from tunesmith.run.machine import describe_machine
from tunesmith.run.train_rows import TrainRows
from tunesmith.train.documents import write_documents
from tunesmith.train.domain import domain
from tunesmith.train.forgetting import Measured, forgetting, measured
from tunesmith.train.job import Adapter, General, Job, Scratch, Trained
from tunesmith.train.language import HeldOut
from tunesmith.train.pretrain import pretrain
from tunesmith.train.start import start_from
from tunesmith.train.terminology import counted, occurrences_of, terminology, terms_of
from tunesmith.web.progress import speaking

ROOT = Path(__file__).parents[1]
RECIPE = """
name: domain-{seed}
seed: {seed}
data:
  standards:
    - {{source: jsonl, path: "{data}/eips/eips.jsonl.gz", license: CC0-1.0, domain: standards}}
    - {{pass: near_dedup, keep: {{}}}}
    - {{pass: split, parts: {{train: 0.8, validation: 0.1, test: 0.1}}, together: [near_duplicates]}}
  general:
    - {{source: jsonl, path: "{data}/dolly15k/dolly.jsonl.gz", text: response, license: CC-BY-SA-3.0, domain: general}}
    - {{source: html, path: "{data}/ebooks/", license: CC0-1.0, domain: general}}
    - {{pass: near_dedup}}
    - {{pass: split, parts: {{train: 0.8, validation: 0.1, test: 0.1}}}}
"""
BASE = {"size": "1M", "steps": 600, "batch_size": 16, "length": 256, "learning_rate": 4e-3}
READ = {"steps": 100, "batch_size": 16, "length": 256}
RATE, LORA_RATE = 4e-3, 1e-2  # the best of three each on validation documents; the former is the highest tried
ARMS: dict[str, dict[str, Any]] = {
    "no replay": {"replay_share": 0.0, "learning_rate": RATE},
    "replay 5 %": {"replay_share": 0.05, "learning_rate": RATE},
    "replay 25 %": {"replay_share": 0.25, "learning_rate": RATE},
    "lora, replay 5 %": {"replay_share": 0.05, "learning_rate": LORA_RATE},
}
EACH_SEED = ("no replay", "replay 5 %")  # the others are run for the first seed alone
RATES = {"all weights": (1e-3, 2e-3, 4e-3), "lora": (3e-3, 1e-2, 3e-2)}
Result = dict[str, Any]


@dataclass(frozen=True)
class Lists:
    """The data of a seed."""

    standards: Dataset
    general: Dataset
    seed: int

    def job(self, start: Path | Scratch, folder: Path, *, adapter: Adapter | None = None, base: bool = False) -> Job:
        """A training on the standards, or of the base."""
        own, beside = (self.general, self.standards) if base else (self.standards, self.general)
        (folder / "out").mkdir(parents=True, exist_ok=True)
        return Job(
            start,
            TrainRows(own, "train"),
            _every(own, "validation"),
            folder / "out",
            folder / "resume",
            self.seed,
            lambda _: None,
            lambda *_: None,
            adapter=adapter,
            general=None if base else General(TrainRows(beside, "train"), _every(beside, "validation")),
        )


def _every(one: Dataset, part: str) -> list[dict[str, object]]:
    """Every twelfth row: measuring a short training is then not most of its time."""
    return list(TrainRows(one, part))[::12]


def main() -> None:
    """Run the seeds one after another, print the tables, write the results; without the data, say so and stop."""
    asked = _arguments()
    if missing := [name for name in ("eips", "dolly15k", "ebooks") if not (asked.data / name).is_dir()]:
        print(f"Skipped: {asked.data} holds no {' and no '.join(missing)}.")
        return
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        workspace = (asked.workspace or Path(folder)).resolve()
        if asked.search:
            search(asked.seeds[0], asked.data.resolve(), workspace)
            return
        found = {}
        for seed in asked.seeds:
            arms = ARMS if seed == asked.seeds[0] else {name: ARMS[name] for name in EACH_SEED}
            found[seed] = run(seed, asked.data.resolve(), workspace, arms)
            write_json(asked.out or ROOT / "bench" / "results" / "domain.json", results(found))
    print(table(found))
    print(words(found[asked.seeds[0]]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of eips, dolly15k and ebooks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--search", action="store_true", help="print validation losses of some rates, and no more")
    parser.add_argument("--out", type=Path, help="write the results here")
    parser.add_argument("--workspace", type=Path, help="keep data and bases here")
    return parser.parse_args()


def lists_of(seed: int, data: Path, workspace: Path) -> Lists:
    """The two lists of a seed, read and divided."""
    workspace.mkdir(parents=True, exist_ok=True)
    path = workspace / f"domain-{seed}.yaml"
    path.write_text(RECIPE.format(seed=seed, data=data))
    with speaking(Console(stderr=True)) as speaker:
        lists = run_recipe(load_recipe(path), workspace, speaker).lists
    return Lists(lists["standards"], lists["general"], seed)


def base_of(lists: Lists, workspace: Path) -> Path:
    """The model that all arms of a seed start from; trained once."""
    folder = workspace / f"base-{lists.seed}"
    if not (folder / "out" / "model.safetensors").exists():
        settings = dict(BASE)
        job = lists.job(Scratch(str(settings.pop("size"))), folder, base=True)
        begun = time.process_time()
        trained = pretrain(job, **settings)
        print(f"base {lists.seed}: {_last(trained.curve)}, {time.process_time() - begun:.0f} s", flush=True)
    return folder / "out"


def _last(curve: list[dict[str, float]]) -> str:
    best = min(curve, key=lambda entry: entry["validation_loss"])
    return f"validation loss {best['validation_loss']:.4f} at step {best['step']:.0f}"


def read(lists: Lists, base: Path, folder: Path, settings: Mapping[str, Any], *, lora: bool) -> Trained:
    """One training on the standards."""
    adapter = Adapter("lora", {"rank": 16}) if lora else None
    return domain(lists.job(base, folder, adapter=adapter), **READ, **settings, term_occurrences=None)


def search(seed: int, data: Path, workspace: Path) -> None:
    """Validation losses of some rates, with 5 % replay."""
    lists = lists_of(seed, data, workspace)
    base = base_of(lists, workspace)
    for kind, rates in RATES.items():
        for rate in rates:
            with tempfile.TemporaryDirectory() as folder:
                begun = time.process_time()
                trained = read(
                    lists, base, Path(folder), {"learning_rate": rate, "replay_share": 0.05}, lora=kind == "lora"
                )
                general = [round(entry["validation_general_loss"], 4) for entry in trained.curve]
                took = time.process_time() - begun
                print(
                    f"{kind} {rate:g}: {_last(trained.curve)}, general {general[0]} to {general[-1]}, {took:.0f} s",
                    flush=True,
                )


def run(seed: int, data: Path, workspace: Path, chosen: Mapping[str, Mapping[str, Any]]) -> Result:
    """The chosen arms of a seed, measured on the test documents of both lists."""
    lists = lists_of(seed, data, workspace)
    base = base_of(lists, workspace)
    arms: dict[str, Any] = {}
    models: dict[str, dict[str, Measured]] = {}
    with tempfile.TemporaryDirectory() as place:
        before = tested(lists, base, Path(place) / "base")
        terms = terms_of(counted(TrainRows(lists.standards, "train")), counted(TrainRows(lists.general, "train")))
        tokenizer = start_from(lists.job(base, Path(place) / "words"), chats=False).tokenizer
        occurrences = occurrences_of(before["standards"].held, tokenizer)
        for name, settings in chosen.items():
            folder, begun = Path(place) / name.split(",")[0].replace(" ", "-"), time.process_time()
            trained = read(lists, base, folder, settings, lora="lora" in name)
            seconds = round(time.process_time() - begun, 1)
            models[name] = after = tested(lists, folder / "out", folder / "test")
            best = min(trained.curve, key=lambda entry: entry["validation_loss"])
            arms[name] = {
                "settings": settings,
                "trained": trained.trained,
                "best_step": best["step"],
                "validation": {key: round(number, 5) for key, number in best.items()},
                "seconds": seconds,
                "test": {part: forgetting(before[part], after[part]) for part in before},
                "terminology": terminology(terms, occurrences, before["standards"], after["standards"], least=10),
            }
            print(f"{seed} {name}: {_line(arms[name])}, {seconds:.0f} s", flush=True)
    first = models["no replay"]
    beside = {
        name: {part: forgetting(first[part], of[part])["bits_per_byte"]["difference"] for part in of}
        for name, of in models.items()
        if name != "no replay"
    }
    parts = {
        name: {part: len(TrainRows(one, part)) for part in ("train", "validation", "test")}
        for name, one in (("standards", lists.standards), ("general", lists.general))
    }
    return {"arms": arms, "minus_no_replay": beside, "documents": parts}


def tested(lists: Lists, model: Path, folder: Path) -> dict[str, Measured]:
    """What a model makes of the test documents of both lists."""
    job = replace(lists.job(model, folder), seed=0)
    start = start_from(job, chats=False)
    found = {}
    for name, one in (("standards", lists.standards), ("general", lists.general)):
        documents = write_documents(TrainRows(one, "test"), start.tokenizer, folder / name)
        found[name] = measured(HeldOut(documents, int(READ["length"]), most=60_000), start)
    return found


def _line(arm: Mapping[str, Any]) -> str:
    bits = {part: arm["test"][part]["bits_per_byte"] for part in arm["test"]}
    return ", ".join(
        f"{part} {told['before']['value']:.3f} to {told['after']['value']:.3f}" for part, told in bits.items()
    )


def results(found: Mapping[int, Result]) -> dict[str, object]:
    """The result file: bits a byte before and after of every arm and seed, their means, and the machine."""
    return {
        "settings": {"base": BASE, "read": READ},
        "mean_difference_bits_per_byte": {
            arm: {
                part: round(statistics.mean(_difference(one, arm, part) for one in _with(found, arm)), 4)
                for part in ("standards", "general")
            }
            for arm in ARMS
        },
        "seeds": {str(seed): one for seed, one in found.items()},
        "machine": describe_machine(),
    }


def _with(found: Mapping[int, Result], arm: str) -> list[Result]:
    """The seeds that have an arm."""
    return [one for one in found.values() if arm in one["arms"]]


def _difference(one: Result, arm: str, part: str) -> float:
    return float(one["arms"][arm]["test"][part]["bits_per_byte"]["difference"]["value"])


def table(found: Mapping[int, Result]) -> str:
    """What each arm gained on the standards and lost on general text, of every seed, in bits a byte."""
    lines = [
        "| arm | text | before | after | difference of each seed [95 % interval by document] |",
        "|---|---|---|---|---|",
    ]
    for arm in ARMS:
        for part in ("standards", "general"):
            told = [one["arms"][arm]["test"][part]["bits_per_byte"] for one in _with(found, arm)]
            before, after = (statistics.mean(each[when]["value"] for each in told) for when in ("before", "after"))
            each = ", ".join(_number(one["difference"]) for one in told)
            lines.append(f"| {arm} | {part} | {before:.3f} | {after:.3f} | {each} |")
    lines += ["", "| arm minus no replay | text | difference of each seed |", "|---|---|---|"]
    for arm in list(ARMS)[1:]:
        for part in ("standards", "general"):
            each = ", ".join(_number(one["minus_no_replay"][arm][part]) for one in _with(found, arm))
            lines.append(f"| {arm} | {part} | {each} |")
    return "\n".join(lines)


def words(one: Result) -> str:
    """The terms of a seed with 5 % replay, and all terms beside other words, in nats and first choices."""
    told = one["arms"]["replay 5 %"]["terminology"]
    lines = ["| word | n | nats before | after | first choice before | after |", "|---|---|---|---|---|---|"]
    rows = [(each["word"], each) for each in told["terms"]]
    rows += [("all terms", told["all_terms"]), ("other words", told["other_words"])]
    for word, each in rows:
        nats, first = each["nats"], each["first"]
        values = [f"{part[when]['value']:.2f}" for part in (nats, first) for when in ("before", "after")]
        lines.append(f"| {word} | {nats['before']['n']:,} | {' | '.join(values)} |")
    return "\n".join(lines)


def _number(fields: Mapping[str, Any]) -> str:
    return f"{fields['value']:+.3f} [{fields['low']:+.3f}, {fields['high']:+.3f}]"


if __name__ == "__main__":
    main()
