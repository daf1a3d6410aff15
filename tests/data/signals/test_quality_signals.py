"""The signals of Gopher, C4 and FineWeb: what they measure through a batch, and the presets that bound them."""

from __future__ import annotations

import pytest
from tests.data.data_toys import documents, op

from tunesmith.core.registry import Named
from tunesmith.data.measure import apply
from tunesmith.recipe.presets import read_preset

SIGNALS = (
    "word_tokens", "word_length", "symbols", "line_shapes", "alpha_words", "stop_words", "repetition", "c4_lines",
    "fineweb_lines",
)  # fmt: skip
PROSE = "The cat sat on the mat. It was glad of the sun, and slept.\n\nThen it rained! Who would have thought that?\n"


@pytest.mark.parametrize("name", SIGNALS)
def test_a_row_without_text_is_not_measured(name: str) -> None:
    batch = apply(documents(PROSE, None), [op("signal", name)]).batch
    columns = [column for column in batch.schema.names if column.startswith("signal.")]
    assert len(columns) == max(1, len(getattr(Named("signal", name).module(), "MEASURES", ())))
    assert all(batch[column][1].as_py() is None and batch[column][0].as_py() is not None for column in columns)


def test_shares_of_nothing_are_not_measured_and_numbers_of_it_are_zero() -> None:
    batch = apply(documents("", " \n"), [op("signal", "alpha_words"), op("signal", "stop_words")]).batch
    assert all(value != value for value in batch["signal.alpha_words"].to_pylist())  # NaN
    assert batch["signal.stop_words"].to_pylist() == [0, 0]


def test_the_counts_are_made_once_for_all_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.data.kernels import quality

    made = []
    count = quality.counts
    monkeypatch.setattr(quality, "counts", lambda texts: made.append(len(texts)) or count(texts))
    apply(documents(PROSE, "two"), [op("signal", name) for name in SIGNALS])
    assert made == [2]


def test_prose_passes_where_a_menu_and_a_chant_do_not() -> None:
    texts = documents(PROSE * 4, "Home\nNews\nContact\nHome\nNews\nContact\n" * 6, "spam and eggs " * 60)
    batch = apply(texts, [op("signal", "fineweb_lines"), op("signal", "repetition"), op("signal", "c4_lines")]).batch
    assert batch["signal.fineweb_lines.stopped"].to_pylist() == [1.0, 0.0, 0.0]
    assert batch["signal.fineweb_lines.short"].to_pylist() == [0.0, 1.0, 0.0]
    assert batch["signal.c4_lines.sentences"].to_pylist() == [16, 0, 0]
    assert batch["signal.repetition.repeated_10_grams"][2].as_py() > 0.7
    assert batch["signal.repetition.lines"][1].as_py() > 0.9


@pytest.mark.parametrize("preset", ["gopher", "c4", "fineweb"])
def test_each_bound_of_a_preset_is_on_what_its_signal_measures_and_names_its_source(preset: str) -> None:
    steps = read_preset(preset)["steps"]
    assert isinstance(steps, dict)
    for step in steps.values():
        measures = getattr(Named("signal", step["signal"]).module(), "MEASURES", ("min", "max"))
        assert set(step["keep"]) <= set(measures)
        assert "et al." in step["why"]
