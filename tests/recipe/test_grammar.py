"""The recipe's grammar: what it says, and every way to say it wrong, with its line and a remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.running import write_recipe, write_rows

from tunesmith.core.bound import Bound
from tunesmith.core.errors import Mistakes, UserError
from tunesmith.recipe import Recipe, load_recipe
from tunesmith.recipe.grammar import Feed
from tunesmith.recipe.order import in_order, needs
from tunesmith.recipe.sets import parse_sets

RECIPE = """\
name: whole
goal: style
base: scratch:0.1M
seed: 7
data:
  notes:
    - source: jsonl
      path: notes.jsonl
      license: MIT
    - edit: redact_pii
    - signal: words
      as: length
      keep: {min: 2, max: p90}
    - signal: language
      keep: {allow: [no, en]}
    - signal: characters
      weigh: {above: 50, weight: 0.2}
    - pass: exact_dedup
    - pass: split
      parts: {train: 0.8, test: 0.2}
  pairs:
    - from: notes.train
    - make: ./mine.py:louder
train:
  - sft: writer
    data: notes
    tokenizer: {kind: words, vocabulary: 400}
  - dpo: tuned
    data: pairs
evaluate:
  on: notes.test
  cluster: group
  metrics: [words, {rouge_l: {as: meaning, target: ./mine.py:target}}, signal.characters]
  against: [writer, untrained, {constant: {answer: Hm.}}, ./mine.py:shout]
  slices: {short: {signal.length: {max: 5}}}
  gate:
    meaning@short: {min: 0.1}
    words: {non_inferior: 0.5, to: writer}
serve:
  store: true
waive:
  - {check: pretrained, reason: a test}
"""
MINE = """
def louder(record):
    return {"text": record["text"].upper()}


def target(target: str) -> str:
    return target


def shout(prompt: str) -> str:
    return prompt.upper()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_rows(tmp_path / "notes.jsonl", [{"text": "a note"}])
    (tmp_path / "mine.py").write_text(MINE, "utf-8")
    return tmp_path


def load(folder: Path, old: str = "", new: str = "", **options: object) -> Recipe:
    """The recipe above, with one thing changed."""
    assert old in RECIPE
    return load_recipe(write_recipe(folder, RECIPE.replace(old, new, 1)), **options)  # type: ignore[arg-type]  # by name


def test_a_recipe_says_what_stands_in_it(folder: Path) -> None:
    recipe = load(folder)
    source, edit, words, language, characters, dedup, split = recipe.data["notes"].steps
    assert (source.label, source.license, source.parameters) == ("jsonl", "MIT", {"path": "notes.jsonl"})
    assert edit.keep == {}
    assert (words.label, words.keep) == ("length", {"": Bound(min=2, max="p90")})
    assert language.keep == {"": Bound(allow=("no", "en"))}  # YAML 1.2: `no` is Norwegian
    assert characters.weigh == {"": (Bound(above=50), 0.2)}
    assert dedup.keep == {"duplicates": Bound(max=0)}  # what the pass comes with
    assert split.parameters == {"parts": {"train": 0.8, "test": 0.2}}
    assert recipe.data["pairs"].feed == Feed("notes", "train")
    assert [(step.name, step.start) for step in recipe.train] == [("writer", "scratch:0.1M"), ("tuned", "writer")]
    assert recipe.evaluate is not None
    assert [metric.label for metric in recipe.evaluate.metrics] == ["words", "meaning", "signal.characters"]
    assert [arm.label for arm in recipe.evaluate.against] == ["writer", "untrained", "constant", "shout"]
    assert recipe.evaluate.candidates == ("tuned",)  # the last train step
    assert recipe.waive == {"pretrained": "a test"}


def test_steps_run_in_the_order_of_what_they_name(folder: Path) -> None:
    assert in_order(needs(load(folder))) == ["data.notes", "data.pairs", "train.writer", "train.tuned"]


def test_one_list_needs_no_name(folder: Path) -> None:
    recipe = load_recipe(write_recipe(folder, "data:\n  - {source: jsonl, path: notes.jsonl}\n"))
    assert list(recipe.data) == ["data"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: whole", "name: a/b", r"name \(line 1\): 'a/b' cannot be a name"),
        ("name: whole", "nmae: whole", r"nmae \(line 1\): a recipe has no 'nmae'.*Did you mean 'name'"),
        ("goal: style", "goal: stile", r"line 2\): 'stile' is not one of style.*Did you mean 'style'"),
        ("seed: 7", "seed: '7'", r"seed \(line 4\): '7' is not a whole number"),
        ("base: scratch:0.1M", "base: scratch:7M", r"there is no size 'scratch:7M'.*Did you mean '0.7M'"),
        ("base: scratch:0.1M", "base: ./org/model", r"'./org/model', which is no model folder here.*config.json"),
        ("  notes:\n", "  no.tes:\n", r"a list cannot be called 'no.tes'"),
        ("- source: jsonl", "- sauce: jsonl", r"data.notes\[0\] \(line 7\): there is no kind of step 'sauce'"),
        ("- source: jsonl", "- source:", r"data.notes\[0\].source \(line 7\): this source has no name"),
        ("path: notes.jsonl", "path: [3]", r"line 8\): \[3\] is neither a path nor a list of paths"),
        ("path: notes.jsonl", "path: notez.jsonl", r"line 8\): path: the file 'notez.jsonl' does not exist"),
        ("      path: notes.jsonl\n", "", r"data.notes\[0\] \(line 7\): jsonl needs path:"),
        ("- edit: redact_pii", "- edit: redact_pii\n      on: answer", r"redact_pii has no parameter 'on'"),
        ("- edit: redact_pii", "- edit: redact_pii\n      keep: {min: 1}", r"line 11\): redact_pii measures nothing"),
        ("{min: 2, max: p90}", "{min: 2, max: p900}", r"line 13\): max: 'p900' is neither a number nor a quantile"),
        ("{min: 2, max: p90}", "{mni: 2}", r"line 13\): words does not measure 'mni'"),
        ("{min: 2, max: p90}", "{}", r"line 13\): this bound sets no limit"),
        ("{min: 2, max: p90}", "20", r"line 13\): 20 is not a bound"),
        ("{min: 2, max: p90}", "{min: yes}", r"line 13\): min: 'yes' is neither a number"),
        ("{min: 2, max: p90}", "{min: true}", r"line 13\): min: True is neither a number"),
        ("{allow: [no, en]}", "{allow: no}", r"line 15\): allow: 'no' is not a list.*allow: \[no\]"),
        ("{above: 50, weight: 0.2}", "{above: 50}", r"line 17\): weigh: needs weight"),
        ("{above: 50, weight: 0.2}", "{above: 50, weight: -1}", r"line 17\): weigh: needs weight"),
        ("as: length", "as: 'a: b'", r"line 12\): 'a: b' cannot be a name"),
        ("as: length", "as: characters", r"'characters' is used twice in this list.*as:"),
        ("- pass: exact_dedup", "- pass: exact_dedup\n      normalise: yes", r"'yes' will not do.*YAML 1.2"),
        ("- pass: exact_dedup", "- pass: exact_dedup\n      keep: {like: {max: 1}}", r"does not measure 'like'"),
        ("- pass: exact_dedup", "- pass: sample", r"sample needs rows:"),
        ("- pass: exact_dedup", "- {review: people, smaple: 3}", r"there is no 'smaple' here.*Did you mean 'sample'"),
        ("{train: 0.8, test: 0.2}", "{train: 0.8, test: 0.4}", r"line 19\): split: .* add up to 1.2"),
        ("- from: notes.train", "- {from: notes.train, to: x}", r"there is no 'to' here"),
        ("- from: notes.train", "- from: notse.train", r"data.pairs: there is no list 'notse'.*Did you mean 'notes'"),
        ("- from: notes.train", "- from: notes.trian", r"'notes' has no part 'trian'.*Did you mean 'train'"),
        ("./mine.py:louder", "./mien.py:louder", r"mien.py does not exist"),
        ("./mine.py:louder", "./mine.py:lauder", r"no function 'lauder'.*louder"),
        ("- sft: writer", "- stf: writer", r"train\[0\] \(line 25\): there is no trainer 'stf'.*Did you mean 'sft'"),
        ("- sft: writer", "- sft: untrained", r"'untrained' is the name of an arm"),
        ("data: notes\n    tok", "data: notse\n    tok", r"train\[0\].data \(line 26\): there is no list 'notse'"),
        ("vocabulary: 400", "vocab: 400", r"line 27\): tokenizer has no parameter 'vocab'.*Did you mean 'vocabulary'"),
        ("- dpo: tuned", "- dpo: writer", r"there are two train steps 'writer'"),
        ("data: pairs\neval", "data: pairs\n    from: writr\neval", r"no step above it is called 'writr'.*'writer'"),
        ("on: notes.test", "on: notes.tset", r"evaluate.on \(line 31\): 'notes' has no part 'tset'.*'test'"),
        ("on: notes.test", "on: notes.train", r"scored on rows that it learns from"),
        ("  on: notes.test\n", "", r"evaluate \(line 30\): it does not say which rows are scored"),
        ("cluster: group", "cluster: groop", r"rows are not clustered by 'groop'.*'group'"),
        ("metrics: [words,", "metrics: [wrods,", r"no metric 'wrods'.*Did you mean 'words'"),
        ("metrics: [words,", "metrics: [words, words,", r"'words' is named twice.*as:"),
        ("metrics: [words,", "metrics: [words, {distinct: 3},", r"neither a name nor a name with parameters"),
        ("[writer, untrained,", "[writter, untrained,", r"no arm 'writter'.*Did you mean 'writer'"),
        ("[writer, untrained,", "[base, untrained,", r"there is no base to compare with.*untrained"),
        ("meaning@short", "meaning@shrot", r"line 37\): there is no slice 'shrot'.*'short'"),
        ("words: {non_inf", "wrods: {non_inf", r"line 38\): 'wrods' is not among the metrics|evaluate.gate.*'wrods'"),
        ("to: writer}", "to: writter}", r"evaluate.gate.words.to \(line 38\): 'writter' is not among"),
        ("  gate:\n", "  gate: 3\n  gaet:\n", r"a gate maps metrics to bounds, not 3"),
        ("store: true", "store: yes", r"line 40\): 'yes' is neither true nor false.*YAML 1.2"),
        ("store: true", "store: true\n  model: writer", r"there is no candidate 'writer'.*tuned"),
        ("store: true", "store: true\n  port: 99999", r"99999 is not a port"),
        ("check: pretrained", "check: pretraind", r"no check is called 'pretraind'.*Did you mean 'pretrained'"),
        ("reason: a test", "reason: ''", r"the reason is empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_a_remedy(folder: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(Mistakes) as raised:
        load(folder, old, new)
    assert re.search(said, str(raised.value), flags=re.S), str(raised.value)
    assert all(error.hint for error in raised.value.errors)


def test_a_circle_is_told(folder: Path) -> None:
    text = "data:\n  a:\n    - from: b\n  b:\n    - from: a\n"
    with pytest.raises(UserError, match=r"steps wait for one another: data\.a → data\.b → data\.a"):
        load_recipe(write_recipe(folder, text))


def test_user_code_that_cannot_be_imported_is_told_with_its_line(folder: Path) -> None:
    for code, said in (
        ("def louder(:\n", r"mine.py, line 1: invalid syntax"),
        ("import json\n\njson.loads('{')\n", r"mine.py, line 3: JSONDecodeError on import"),
        (
            "import no_such_module\n",
            r"mine.py, line 1: ModuleNotFoundError on import: No module named 'no_such_module'",
        ),
    ):
        (folder / f"code_{len(said)}").mkdir()
        there = folder / f"code_{len(said)}"
        (there / "mine.py").write_text(code)
        (there / "notes.jsonl").write_text('{"text": "a"}\n')
        with pytest.raises(UserError, match=said):
            load(there)
    (folder / "mine.py").write_bytes(b"# caf\xe9\ndef louder(record):\n    return None\n")
    with pytest.raises(UserError, match=r"mine\.py"):
        load(folder)


def test_a_parameter_set_from_outside_is_kept_with_the_recipe(folder: Path) -> None:
    sets = parse_sets(
        ["seed=8", "data.notes.length.keep.min=3", "train.writer.steps=5", "data.notes.0.license=CC0-1.0"]
    )
    recipe = load(folder, sets=sets)
    assert recipe.seed == 8
    assert recipe.data["notes"].steps[2].keep[""].min == 3
    assert recipe.train[0].parameters["steps"] == 5
    assert recipe.data["notes"].steps[0].license == "CC0-1.0"
    assert recipe.changed == sets
    assert load(folder, rows=5, steps=2).changed == {"--rows": 5, "--steps": 2}


def test_a_value_set_from_outside_is_yaml_1_2() -> None:
    assert parse_sets(["a=no", "b=true", "c=[1, x]", "d=0.5", "e="]) == {
        "a": "no", "b": True, "c": [1, "x"], "d": 0.5, "e": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("seed", "there is no '='"),
        ("seed=[1", "the value is not YAML"),
        ("data.notse.0.path=x", "there is no 'notse'.*Did you mean 'notes'"),
        ("data.notes.lenght.keep.min=3", "there is no step 'lenght'.*Did you mean 'length'"),
        ("sead=8", "a recipe has no 'sead'"),
        ("seed.more=8", "there is no 'more'"),
    ],
)
def test_a_set_that_leads_nowhere_is_told(folder: Path, given: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        load(folder, sets=parse_sets([given]))
    assert re.search(said, str(raised.value), flags=re.S), str(raised.value)


def test_a_signal_that_measures_one_thing_and_more_takes_a_plain_bound_and_bounds_by_name(folder: Path) -> None:
    old = "keep: {allow: [no, en]}"
    both = load(folder, old, "keep: {allow: [no, en], score: {min: 0.5}}").data["notes"].steps[3]
    assert both.keep == {"": Bound(allow=("no", "en")), "score": Bound(min=0.5)}
    score = load(folder, old, "keep: {score: {min: 0.5}}").data["notes"].steps[3]
    assert score.keep == {"score": Bound(min=0.5)}
    with pytest.raises(UserError, match="language does not measure 'scor'"):
        load(folder, old, "keep: {allow: [no, en], scor: {min: 0.5}}")
