"""What silently ruins a fine-tuning, planted: each fault is found before a step is trained, and can be waived."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from tests.run.preflight_toys import RECIPE, as_checkpoint, configure, rows, template_of, toy
from tests.running import Heard, artifacts, cli, report_of, run, write_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import UserError
from tunesmith.models.chat import END_OF_TURN
from tunesmith.models.local import LocalModel
from tunesmith.recipe import load_recipe

Plant = Callable[[Path], Path]


def masked_eos(folder: Path) -> Path:
    path = toy(folder)
    inside = "{{ '<|im_end|>' }}{% endgeneration %}"
    outside = "{% endgeneration %}{{ '<|im_end|>' }}"
    assert inside in template_of(folder)
    configure(folder, chat_template=template_of(folder).replace(inside, outside))
    return path


def pad_is_eos(folder: Path) -> Path:
    path = toy(folder)
    configure(folder, pad_token=END_OF_TURN)
    return path


def edited_template(folder: Path) -> Path:
    path = toy(folder)
    as_checkpoint(folder)
    configure(folder, chat_template=template_of(folder).replace("<|im_start|>' + message", "<|im_start|> ' + message"))
    return path


def two_templates(folder: Path) -> Path:
    path = toy(folder)
    (folder / "base" / "chat_template.jinja").write_text(template_of(folder) + " ", "utf-8")
    return path


def prompt_that_is_not_trained(folder: Path) -> Path:
    path = toy(folder)
    begin = "{{ '\\n<|im_start|>assistant\\n' }}"
    assert begin in template_of(folder)
    configure(folder, chat_template=template_of(folder).replace(begin, "{{ '\\n<|im_start|>assistant\\nThink: ' }}"))
    return path


def truncated(folder: Path) -> Path:
    given = rows()
    for row in given[: len(given) * 3 // 10]:
        row["answer"] = f"{row['answer']} " * 200
    return toy(folder, given)


def duplicated(folder: Path) -> Path:
    return toy(folder, [*rows(), *rows(0, 60)])


def leaked(folder: Path) -> Path:
    path = toy(folder, [*rows(), *rows(240, 250)])
    return path


def control_tokens(folder: Path) -> Path:
    given = rows()
    for row in given[:5]:
        row["question"] = f"{row['question']}<|im_end|><|im_start|>system"
    return toy(folder, given)


def few(folder: Path) -> Path:
    return toy(folder, rows(0, 60))


def no_validation(folder: Path) -> Path:
    return toy(folder, recipe=RECIPE.replace("{train: 0.8, validation: 0.2}", "{train: 1.0}"))


def knowledge(folder: Path) -> Path:
    return toy(folder, recipe=RECIPE.replace("goal: style", "goal: knowledge"))


PLANTED: tuple[tuple[str, Plant, str], ...] = (
    ("eos_trained", masked_eos, "without learning a stop token"),
    ("pad_is_eos", pad_is_eos, "padding is '<|im_end|>'"),
    ("template", edited_template, "not the one that its manifest says"),
    ("template", two_templates, "differ, and engines read one or the other"),
    ("template", prompt_that_is_not_trained, "do not begin with their prompt"),
    ("truncation", truncated, "have more than 512 tokens"),
    ("duplicates", duplicated, "repeat an earlier one"),
    ("overlap", leaked, "of 40 test rows stand among the rows trained on"),
    ("control_tokens", control_tokens, "hold the text of a control token"),
    ("examples_least", few, "rows to train on"),
    ("validation_set", no_validation, "0 rows for validation"),
    ("knowledge", knowledge, "Retrieval (RAG)"),
)


@pytest.mark.parametrize(("rule", "plant", "told"), PLANTED, ids=[plant.__name__ for _, plant, _ in PLANTED])
def test_a_planted_fault_is_refused_before_a_step_is_trained(
    rule: str, plant: Plant, told: str, tmp_path: Path
) -> None:
    show = Heard()
    with pytest.raises(UserError) as refused:
        run(plant(tmp_path), tmp_path / "ws", show=show, workers=1)
    said = str(refused.value)
    assert f"  {rule} (" in said
    assert told in said
    assert f"- {{check: {rule}, reason: ...}}" in said  # the two remedies
    assert "Mend: " in said
    assert any(line.startswith("pre-flight of model: ") and rule in line for line in show.said)
    assert artifacts(tmp_path / "ws", "checkpoints") == set()
    assert not (tmp_path / "ws" / "cache" / "resume").exists()


def test_nothing_is_refused_where_nothing_is_wrong_and_the_report_tells_all(tmp_path: Path) -> None:
    run(toy(tmp_path), tmp_path / "ws", workers=1)
    found = cast("dict[str, Any]", report_of(tmp_path / "ws", "planted")["preflight"])["model"]
    states = {each["rule"]: each["state"] for each in found["rules"]}
    assert {name for name, state in states.items() if state == "warned"} == {"examples_least", "instruction_tuned"}
    assert "refused" not in states.values()
    assert sum(found["histogram"]["counts"]) == found["rows"] == 194
    assert len(found["examples"]) == 10
    for example in found["examples"]:
        learnt = [text for text, is_learnt in example["spans"] if is_learnt]
        assert len(learnt) == 1
        assert learnt[0].endswith(f".{END_OF_TURN}")
    [folder] = artifacts(tmp_path / "ws", "checkpoints")
    assert read_manifest(folder).facts["template"] == found["template"]


def test_a_rule_is_waived_in_writing_and_training_goes_on(tmp_path: Path) -> None:
    path = toy(tmp_path, [*rows(), *rows(240, 250)], waive={"overlap": "a test of waivers"})
    run(path, tmp_path / "ws", workers=1)
    found = cast("dict[str, Any]", report_of(tmp_path / "ws", "planted")["preflight"])["model"]
    [overlap] = [each for each in found["rules"] if each["rule"] == "overlap"]
    assert overlap["state"] == "waived"
    assert overlap["why"].startswith("a test of waivers (")
    assert len(artifacts(tmp_path / "ws", "checkpoints")) == 1


def test_a_waiver_that_is_taken_back_refuses_what_was_trained_before(tmp_path: Path) -> None:
    run(toy(tmp_path, rows(0, 60), waive={"examples_least": "a test"}), tmp_path / "ws", workers=1)
    text = (tmp_path / "recipe.yaml").read_text("utf-8")
    (tmp_path / "recipe.yaml").write_text(text.partition("waive:")[0], "utf-8")
    with pytest.raises(UserError, match="examples_least"):
        run(tmp_path / "recipe.yaml", tmp_path / "ws", workers=1)


def test_a_waiver_of_an_unknown_rule_is_a_mistake_with_the_nearest_name(tmp_path: Path) -> None:
    path = toy(tmp_path, waive={"eos_traind": "a test"})
    with pytest.raises(UserError, match="Did you mean 'eos_trained'"):
        load_recipe(path)


def test_a_fault_of_a_later_step_is_found_before_the_first_is_trained(tmp_path: Path) -> None:
    more = "  - {sft: second, data: short, steps: 2, batch_size: 8}\n"
    short = "  short:\n    - {from: known}\n    - {pass: sample, rows: 80}\n"
    recipe = RECIPE.replace("train:\n", f"{short}train:\n").replace("evaluate:\n", f"{more}evaluate:\n")
    with pytest.raises(UserError, match="the pre-flight of second refuses to train"):
        run(toy(tmp_path, recipe=recipe), tmp_path / "ws", workers=1)
    assert artifacts(tmp_path / "ws", "checkpoints") == set()


def test_a_rehearsal_does_not_judge_by_how_many_rows_it_read(tmp_path: Path) -> None:
    run(toy(tmp_path), tmp_path / "ws", rows=50, steps=1, workers=1)
    found = cast("dict[str, Any]", report_of(tmp_path / "ws", "planted")["preflight"])["model"]
    states = {each["rule"]: each["state"] for each in found["rules"]}
    assert (states["examples_least"], states["epochs_most"]) == ("not applicable", "not applicable")
    assert states["eos_trained"] == "passed"


def test_a_folder_whose_template_was_edited_answers_nothing(tmp_path: Path) -> None:
    toy(tmp_path)
    as_checkpoint(tmp_path)
    LocalModel(tmp_path / "base")
    configure(tmp_path, chat_template=template_of(tmp_path) + " ")
    with pytest.raises(UserError, match="not the one that its manifest says it was trained with"):
        LocalModel(tmp_path / "base")


def test_check_data_prints_every_rule_and_marks_what_is_learnt(tmp_path: Path) -> None:
    path = toy(tmp_path)
    done = cli("check", path, "--data", "--workspace", tmp_path / "ws")
    assert done.code == 0, done.all
    assert "Pre-flight of model  194 rows" in done.out
    assert "✓ passed" in done.out
    assert "eos_trained" in done.out
    assert f".{END_OF_TURN}⟧" in done.out
    assert not (tmp_path / "ws" / "checkpoints").exists()
    write_rows(tmp_path / "known.jsonl", [*rows(), *rows(240, 250)])
    refused = cli("check", path, "--data", "--workspace", tmp_path / "ws")
    assert refused.code == 2, refused.all
    assert "✗ refused" in refused.out
    assert "Or waive: - {check: overlap, reason: ...}" in " ".join(refused.out.split())
