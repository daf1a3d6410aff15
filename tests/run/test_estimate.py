"""`tunesmith estimate`: what a recipe's trainings take, from its first rows or from a run, and what if."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.running import cli

from tunesmith.core.errors import UserError
from tunesmith.recipe import load_recipe
from tunesmith.run.estimate import Devices, of_recipe, tokens_given, what_if

RECIPE = """
name: estimated
base: {base}
data:
  chats:
    - {{source: jsonl, path: rows.jsonl}}
    - {{pass: split, parts: {{train: 0.8, validation: 0.2}}}}
train:
  - {{sft: first, data: chats, steps: 10, batch_size: 4}}
  - {{sft: second, data: chats, epochs: 2, {adapter}}}
"""


def recipe(folder: Path, *, base: str = "scratch:1M", adapter: str = "adapter: {lora: {rank: 4}}") -> Path:
    turns = [{"role": "user", "content": "q" * 60}, {"role": "assistant", "content": "a" * 20}]
    (folder / "rows.jsonl").write_text("\n".join(json.dumps({"messages": turns, "no": no}) for no in range(50)))
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(base=base, adapter=adapter))
    return path


def test_steps_are_estimated_from_the_first_rows(tmp_path: Path) -> None:
    first, second = dict(of_recipe(load_recipe(recipe(tmp_path)), tmp_path, Devices(gpu="A100"))).values()
    assert first.work.shape.anatomy.parameters == 926_336
    assert first.work.tokens == 10 * 4 * 20  # steps, rows a step, 80 characters a row
    assert first.work.labels == pytest.approx(0.25)
    assert first.work.method.full
    assert second.work.tokens == 50 * 20
    assert second.work.epochs == 2
    assert second.work.method.rank == 4
    assert second.memory.gradients < 0.1 * first.memory.gradients
    assert "4 characters" in second.work.notes[0]


def test_text_is_estimated_in_windows(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"text": "word " * 80, "no": no}) for no in range(50)))
    steps = (
        "train: [{pretrain: first, data: chats, steps: 10, batch_size: 4, length: 32}, {domain: second, data: chats}]"
    )
    path.write_text(path.read_text().partition("train:\n")[0] + steps)
    first, second = dict(of_recipe(load_recipe(path), tmp_path, Devices())).values()
    assert (first.work.tokens, first.work.unique, first.work.longest) == (10 * 4 * 32, 50 * 100, 32)
    assert first.sense is not None
    assert first.sense.advice.startswith("Do not pre-train")
    assert (second.work.tokens, second.work.epochs, second.work.length) == (50 * 100, 1, 256)


def test_what_a_run_has_counted_comes_first(tmp_path: Path) -> None:
    account = {"rows": 110, "too_long": 8, "unanswered": 2, "tokens": 3000, "trained": 1500, "longest": 90, "limit": 64}
    report = tmp_path / "runs" / "estimated" / "report.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"preflight": {"second": account}}))
    found = dict(of_recipe(load_recipe(recipe(tmp_path)), tmp_path, Devices()))["second"]
    assert (found.work.tokens, found.work.length, found.work.longest, found.work.labels) == (3000, 30, 64, 0.5)
    assert "as the run estimated counted them" in found.work.notes[0]


def test_tokens_that_a_user_knows_come_before_all(tmp_path: Path) -> None:
    found = dict(of_recipe(load_recipe(recipe(tmp_path)), tmp_path, Devices(tokens=5e6)))["second"]
    assert found.work.tokens == 5e6


def test_a_base_on_a_hub_is_known_by_its_name_or_refused(tmp_path: Path) -> None:
    known = load_recipe(recipe(tmp_path, base="Qwen/Qwen2.5-0.5B-Instruct"))
    assert next(of_recipe(known, tmp_path, Devices()))[1].work.shape.name == "Qwen2.5-0.5B"
    unknown = load_recipe(recipe(tmp_path, base="Qwen/Qwen2.5-0.6B"))
    with pytest.raises(UserError, match=r"train\[0\].*the shape of 'Qwen/Qwen2\.5-0\.6B' is not known"):
        list(of_recipe(unknown, tmp_path, Devices()))


def test_prices_beside_the_recipe_are_used_and_said(tmp_path: Path) -> None:
    prices = "as_of: 2026-11-01\nsource: our contract\ngpus: {A100: {low: 1.0, high: 1.0}}\n"
    (tmp_path / "prices.yaml").write_text(prices)
    found = dict(of_recipe(load_recipe(recipe(tmp_path)), tmp_path, Devices(gpu="A100")))["first"]
    assert any(str(tmp_path / "prices.yaml") in used for used in found.used)


def test_what_if_says_what_it_assumed(tmp_path: Path) -> None:
    found = what_if("8B", Devices("H100", 8, tokens=1e7), tmp_path, method="lora")
    assert found.work.epochs == 3
    assert "rows of 2,048 tokens, as no --length is given" in found.work.notes


@pytest.mark.parametrize(("text", "tokens"), [("10M", 1e7), ("1.5B", 1.5e9), ("2,000,000", 2e6), ("1e9", 1e9)])
def test_tokens_are_written_as_people_do(text: str, tokens: float) -> None:
    assert tokens_given(text) == tokens


@pytest.mark.parametrize("width", ["80", "120"])
def test_the_terminal_shows_parts_time_money_and_what_they_rest_on(
    width: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    given = ["--model", "8B", "--method", "lora", "--tokens", "10M", "--gpu", "H100", "--gpus", "8"]
    done = cli("estimate", *given, "--workspace", str(tmp_path))
    assert done.code == 0, done.all
    for told in ("activations", "fits of 80.0 GB each", "min (", "money", "prices.yaml, as of 2026-05", "inferred: "):
        assert told in done.out
    assert max(map(len, done.out.splitlines())) <= int(width)


def test_json_has_all_of_it(tmp_path: Path) -> None:
    done = cli("estimate", str(recipe(tmp_path)), "--gpu", "H100", "--json", "--workspace", str(tmp_path))
    told: dict[str, Any] = json.loads(done.out)
    assert set(told) == {"first", "second"}
    assert told["first"]["fits"] is True


def test_published_runs_are_printed_with_their_errors() -> None:
    done = cli("estimate", "--published")
    assert "17 runs: median |log10 error| 0.073" in done.out
    assert "20 runs: median |log10 error| 0.102" in done.out
    assert "Claude 3 Opus" in done.out


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "there is nothing to estimate"),
        (["--model", "8B", "--gpu", "H10"], "no GPU 'H10'"),
        (["--model", "Lama-3-8B"], "Did you mean Llama-3-8B"),
        (["--model", "8B", "--method", "lorra"], "Did you mean lora"),
        (["--model", "8B", "--tokens", "many"], "is no number"),
        (["--model", "8B", "--gpus", "2"], "Name a GPU"),
    ],
)
def test_mistakes_are_sentences(given: list[str], why: str) -> None:
    done = cli("estimate", *given)
    assert done.code == 2
    assert why in done.err
    assert "Traceback" not in done.err
