"""Adapters in a run, listed, and checkpoints taken out of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tests.running import TESTS, Heard, bytes_of, cli, differences, run
from tests.train.train_toys import scratch_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import UserError
from tunesmith.models.base import Sampling
from tunesmith.models.local import LocalModel
from tunesmith.recipe import load_recipe
from tunesmith.run import Outcome
from tunesmith.run.checkpoints import adapters, find_checkpoint, gate_state
from tunesmith.run.export_model import export_model
from tunesmith.run.reports import read_report
from tunesmith.run.serving import describe_checkpoint, find_serving
from tunesmith.run.training import run_training
from tunesmith.web.report import report_html

RECIPE = Path(__file__).parent / "adapters.yaml"
CHATS = [row["messages"][:1] for row in scratch_rows()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe, its rows, and the workspace of its run."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(RECIPE, folder / "recipe.yaml")
    shutil.copy(TESTS / "tiny.jsonl", folder)
    return folder


@pytest.fixture(scope="module")
def outcome(home: Path) -> Outcome:
    return run(home / "recipe.yaml", home / "ws", workers=1)


@pytest.fixture(scope="module")
def workspace(home: Path, outcome: Outcome) -> Path:
    return home / "ws"


def test_the_report_tells_what_an_adapter_trains_and_takes(outcome: Outcome) -> None:
    page = report_html(outcome.report)
    assert "of them trained" in page
    assert "on disk beside" in page


def answers(folder: Path) -> list[str]:
    return [answer.text for answer in LocalModel(folder).generate(CHATS, Sampling())]


def test_a_run_keeps_adapters_that_name_their_base_and_what_they_take(workspace: Path) -> None:
    voice, further = find_checkpoint(workspace, "voice"), find_checkpoint(workspace, "further")
    writer = find_checkpoint(workspace, "writer")
    for folder in (voice, further):
        config = json.loads((folder / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == f"../../writer/{writer.name}"
        facts = read_manifest(folder).facts
        assert facts["adapter"] == "lora"
        known = facts["adapter_facts"]
        assert isinstance(known, dict)
        assert known["base"] == f"writer/{writer.name}"
        assert known["base_key"] == writer.name
        assert known["bytes"] == (folder / "adapter_model.safetensors").stat().st_size
        assert known["base_bytes"] == (writer / "model.safetensors").stat().st_size
        assert known["moved"] > 0
        assert set(read_manifest(folder).files) >= {"adapter_config.json", "adapter_model.safetensors", "base.json"}
    assert read_manifest(writer).facts["adapter"] is None


def test_the_same_recipe_in_another_workspace_gives_the_same_bytes(home: Path, workspace: Path) -> None:
    run(home / "recipe.yaml", home / "again", workers=1)
    assert differences(bytes_of(workspace), bytes_of(home / "again")) == []


def test_what_is_said_of_an_adapter_names_share_and_sizes(home: Path, workspace: Path) -> None:
    show = Heard()
    shutil.copytree(workspace, home / "third")
    shutil.rmtree(find_checkpoint(home / "third", "before"))
    run(home / "recipe.yaml", home / "third", workers=1, show=show)
    told = [sentence for sentence in show.said if sentence.startswith("the adapter takes")]
    assert len(told) == 1
    assert "kB on disk beside" in told[0]
    assert "128 of 26,336 parameters are trained (0.49%)" in told[0]


def test_an_adapter_is_evaluated_served_and_told_of(workspace: Path, outcome: Outcome) -> None:
    assert outcome.serving is not None
    name, folder = outcome.serving
    assert name == "voice"
    report = read_report(workspace, "adapters")
    assert find_serving(workspace, report, name).checkpoint == folder
    story = describe_checkpoint(workspace, folder.name)
    assert story is not None
    assert story.adapter == "lora"
    assert len(answers(folder)) == len(CHATS)


def test_the_start_of_a_step_with_an_adapter_is_its_base(workspace: Path, home: Path) -> None:
    from tunesmith.core.executor import LocalExecutor
    from tunesmith.data.dataset import open_dataset
    from tunesmith.run.context import Context

    recipe = load_recipe(home / "recipe.yaml")
    voice = find_checkpoint(workspace, "voice")
    data = open_dataset(workspace / "datasets" / read_manifest(voice).inputs["data"])
    context = Context(recipe, workspace, LocalExecutor(1), Heard())
    start = run_training(
        context,
        recipe.train[1],
        {recipe.train[1].data: data},
        {"writer": find_checkpoint(workspace, "writer")},
        untrained=True,
    )
    assert (start / "model.safetensors").is_file()
    assert answers(start) == answers(find_checkpoint(workspace, "writer"))


def test_adapters_are_listed_with_their_share_size_and_gate(workspace: Path) -> None:
    listed = {one.ref.partition("/")[0]: one for one in adapters(workspace)}
    assert set(listed) == {"voice", "further", "before"}
    assert (listed["voice"].kind, listed["voice"].trained, listed["voice"].gate) == ("lora", 5120, "passed")
    assert (listed["before"].kind, listed["before"].gate) == ("prompt", "not evaluated")
    done = cli("adapters", "--workspace", workspace)
    assert done.code == 0, done.all
    for one in listed.values():
        assert str(one) in done.out.splitlines()
    assert "5,120 of 31,328 parameters (16.34%)" in done.out
    assert listed["voice"].base.startswith("writer/")


def test_a_workspace_without_adapters_says_so(tmp_path: Path) -> None:
    assert cli("adapters", "--workspace", tmp_path).out.strip() == f"{tmp_path} holds no adapter."


def test_a_merged_checkpoint_is_a_model_that_plain_transformers_loads(workspace: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    done = cli("export", "voice", "--to", tmp_path / "out", "--as", "merged", "--workspace", workspace)
    assert done.code == 0, done.all
    assert "Warning" not in done.err
    assert "merged: on 8 rows logits differ by at most" in done.out
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.config.vocab_size == 400
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template
    assert answers(tmp_path / "out") == answers(find_checkpoint(workspace, "voice"))
    manifest = read_manifest(tmp_path / "out")
    assert (manifest.kind, manifest.step) == ("export", "merged")
    assert manifest.inputs["checkpoint"].startswith("voice/")
    merged = manifest.facts["merged"]
    assert isinstance(merged, dict)
    assert merged["float32"] < 1e-5
    assert manifest.facts["gate"] == "passed"


def test_an_exported_adapter_stands_on_its_base_wherever_it_lies(workspace: Path, tmp_path: Path) -> None:
    voice = find_checkpoint(workspace, "voice")
    told = list(export_model(workspace, "voice", str(tmp_path / "out")))
    assert told == [f"Wrote {tmp_path / 'out'}: voice/{voice.name} as adapter."]
    assert answers(tmp_path / "out") == answers(voice)
    list(export_model(workspace, f"voice/{voice.name[:6]}", str(tmp_path / "named"), base="ours/writer"))
    config = json.loads((tmp_path / "named" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "ours/writer"


def test_a_model_is_exported_as_it_is_with_its_card_and_a_warning_without_a_gate(
    workspace: Path, tmp_path: Path
) -> None:
    writer = find_checkpoint(workspace, "writer")
    shutil.copytree(workspace, tmp_path / "ws")
    (find_checkpoint(tmp_path / "ws", "writer") / "README.md").write_text("# Writer\n")
    done = cli("export", "writer", "--to", tmp_path / "out", "--workspace", tmp_path / "ws")
    assert done.code == 0, done.all
    assert f"Warning: writer/{writer.name} has not passed a gate: not evaluated." in done.err
    assert (tmp_path / "out" / "README.md").read_text() == "# Writer\n"
    assert not (tmp_path / "out" / "curve.json").exists()
    assert answers(tmp_path / "out") == answers(writer)
    assert gate_state(workspace, writer) == "not evaluated"


def test_an_export_takes_the_place_of_nothing_and_leaves_nothing_half_done(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    done = cli("export", "voice", "--to", tmp_path / "out", "--workspace", workspace)
    assert (done.code, "is not empty" in done.err) == (2, True), done.all
    with pytest.raises(UserError, match="cannot be merged"):
        list(export_model(workspace, "before", str(tmp_path / "new"), way="merged"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Stands for a Hub: what it was sent."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    sent: dict[str, object] = {}

    class Api:
        def create_repo(self, name: str, **options: object) -> None:
            sent["made"] = (name, options)

        def upload_folder(self, *, folder_path: str, **options: object) -> SimpleNamespace:
            sent["files"] = sorted(path.name for path in Path(folder_path).iterdir())
            sent["sent"] = options
            return SimpleNamespace(oid="0123abc")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return sent


def test_a_checkpoint_is_pushed_to_a_private_repository(workspace: Path, hub: dict[str, object]) -> None:
    told = list(export_model(workspace, "voice", "hf://ours/voice", way="merged"))
    assert told[-1] == "ours/voice: uploaded (0123abc)."
    assert hub["made"] == ("ours/voice", {"repo_type": "model", "private": True, "exist_ok": True})
    files = hub["files"]
    assert isinstance(files, list)
    assert {"config.json", "model.safetensors", "tokenizer.json", "manifest.json"} <= set(files)


def test_an_adapter_on_a_hub_names_its_base_there(workspace: Path, hub: dict[str, object]) -> None:
    with pytest.raises(UserError, match="needs the name of its base") as caught:
        list(export_model(workspace, "voice", "hf://ours/voice"))
    assert "--base" in caught.value.hint
    assert hub == {}
    list(export_model(workspace, "voice", "hf://ours/voice", base="ours/writer"))
    files = hub["files"]
    assert isinstance(files, list)
    assert "adapter_model.safetensors" in files


STUB = """
import sys
from pathlib import Path
model, _, out = sys.argv[1:4]
assert (Path(model) / "model.safetensors").is_file()
Path(out).write_bytes(b"GGUF")
"""


@pytest.mark.parametrize("name", ["voice", "writer"])
def test_gguf_runs_the_converter_on_a_whole_model(name: str, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "convert.py").write_text(STUB)
    list(export_model(workspace, name, str(tmp_path / "out"), way="gguf", converter=tmp_path / "convert.py"))
    assert (tmp_path / "out" / f"{name}.gguf").read_bytes() == b"GGUF"
    assert read_manifest(tmp_path / "out").step == "gguf"


def test_gguf_without_the_converter_says_how_to_get_it(workspace: Path, tmp_path: Path) -> None:
    done = cli("export", "writer", "--to", tmp_path / "out", "--as", "gguf", "--workspace", workspace)
    assert done.code == 2
    assert "convert_hf_to_gguf.py" in done.err
    assert "--converter" in done.err
    (tmp_path / "broken.py").write_text("raise SystemExit('no such architecture')")
    with pytest.raises(UserError, match="no such architecture"):
        list(export_model(workspace, "writer", str(tmp_path / "out"), way="gguf", converter=tmp_path / "broken.py"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "to", "options", "problem"),
    [
        ("vocie", "out", {}, "holds no checkpoint 'vocie'"),
        ("voice", "out", {"way": "onnx"}, "that is no way to export"),
        ("voice", "out", {"way": "model"}, "is an adapter, not a model"),
        ("writer", "out", {"way": "merged"}, "is a whole model"),
        ("writer", "out", {"base": "x"}, "--base names the base of an exported adapter"),
        ("writer", "hf://ours", {}, "names no repository"),
        ("writer", "out", {"way": "gguf", "converter": Path("nowhere.py")}, "there is no converter nowhere.py"),
    ],
)
def test_a_mistake_in_an_export_is_named(
    name: str, to: str, options: dict[str, object], problem: str, workspace: Path, tmp_path: Path
) -> None:
    target = to if to.startswith("hf:") else str(tmp_path / to)
    with pytest.raises(UserError, match=problem):
        list(export_model(workspace, name, target, **options))  # type: ignore[arg-type]  # mistakes are the point


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("from: voice", "from: voice\n    adapter: ia3", "it starts from 'voice', an adapter"),
        ("    tokenizer: {kind", "    adapter: lora\n    tokenizer: {kind", "cannot be trained on random weights"),
        ("{rank: 8}", "{rank: 0}", "rank 0 is too small"),
        ("{rank: 8}", "{rnak: 8}", "lora has no parameter 'rnak'"),
        ("adapter: {lora:", "adapter: {lroa:", "there is no adapter 'lroa'"),
        ("{prompt: {tokens: 4}}", "prompt", ""),
    ],
)
def test_adapters_are_checked_before_any_work(old: str, new: str, problem: str, home: Path, tmp_path: Path) -> None:
    shutil.copy(home / "tiny.jsonl", tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE.read_text("utf-8").replace(old, new, 1), "utf-8")
    if not problem:
        assert load_recipe(tmp_path / "recipe.yaml").train[1].adapter is not None
        return
    with pytest.raises(UserError, match=problem):
        load_recipe(tmp_path / "recipe.yaml")


def test_the_recipe_of_the_docs_has_no_mistakes(tmp_path: Path) -> None:
    page = (TESTS.parent / "docs" / "adapters.md").read_text("utf-8")
    (tmp_path / "recipe.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0], "utf-8")
    (tmp_path / "models" / "instruct").mkdir(parents=True)
    (tmp_path / "models" / "instruct" / "config.json").write_text("{}")
    (tmp_path / "chats.jsonl").touch()
    first, second = load_recipe(tmp_path / "recipe.yaml").train
    assert first.adapter is not None
    assert (first.adapter.kind, first.adapter.options) == ("rslora", {"rank": 64})
    assert (second.start, second.adapter) == ("voice", None)


def test_every_kind_of_adapter_stands_in_the_docs() -> None:
    from tunesmith.train.adapters import ADAPTERS

    page = (TESTS.parent / "docs" / "adapters.md").read_text("utf-8")
    assert [kind for kind in ADAPTERS if f"\n| `{kind}` |" not in page] == []
