"""The signal perplexity, and the model behind it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tunesmith.core.errors import UserError
from tunesmith.core.record import Fitted, LocalPath
from tunesmith.data.kernels import kneser_ney
from tunesmith.data.signals import perplexity as module
from tunesmith.data.signals.perplexity import fit, perplexity

WORDS = re.findall(r"\w+", "the small cat and a large dog sat near their house while rain fell over green hills")


def sentences(n: int, seed: int = 1) -> list[str]:
    """Texts of random words."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 12)) + "." for _ in range(n)]


def fitted(texts: list[str | None], folder: Path, **options: object) -> Fitted:
    """A model of these texts."""
    folder.mkdir(exist_ok=True)
    fit(iter([pa.array(texts, pa.string())]), folder, **options)  # type: ignore[arg-type]  # options of each test
    return Fitted(str(folder))


def measured(texts: list[str | None], model: Fitted) -> list[float]:
    """The perplexity of each text."""
    return list(perplexity(pa.array(texts, pa.string()), model=model))


def log_probability(model: kneser_ney.Model, symbols: list[int]) -> float:
    """Of all symbols behind the first."""
    row = np.array(symbols, np.uint16)
    bounds = np.array([0, len(row)])
    extra = np.zeros(1 << 16)
    sums = kneser_ney.log_probabilities(row, bounds, model.table(), model.order, model.lowest, extra)
    return float(sums[0])


@pytest.mark.parametrize("limit", [1_000_000, 100])
@pytest.mark.parametrize("context", [[0], [0, 3], [0, 2, 3, 4], [0, 5, 5, 5, 5, 5], [0, 2, 9], [0, 4, 0]])
def test_the_probabilities_of_all_symbols_add_up_to_one(context: list[int], limit: int) -> None:
    rng = np.random.default_rng(3)
    stream = np.where(rng.random(3000) < 0.1, 0, rng.zipf(1.5, 3000) % 9).astype(np.uint16)
    stream[[0, -1]] = 0
    model = kneser_ney.train(stream, 4, 10, limit)
    before = log_probability(model, context)
    total = sum(math.exp(log_probability(model, [*context, symbol]) - before) for symbol in range(10))
    assert total == pytest.approx(1, abs=1e-5)


def test_a_limit_leaves_the_rarest_out() -> None:
    rng = np.random.default_rng(3)
    stream = np.append(0, rng.zipf(1.5, 3000) % 9).astype(np.uint16)
    stream[-1] = 0
    assert len(kneser_ney.train(stream, 4, 10, 100).keys) <= 100 < len(kneser_ney.train(stream, 4, 10, 10**6).keys)


def test_the_smoothing_is_what_a_hand_computes() -> None:
    # The words aa and ab with edges: 0 a a 0 and 0 a b 0, as symbols a = 1, b = 2; order 2; four kinds of symbols.
    # Counts are too few to estimate discounts, so they are 0.5 for one, 1 for two, 1.5 for three and more.
    # Unigrams are counted by the symbols before them: a has {edge, a} 2, b has {a} 1, edge has {a, b} 2; 5 in all.
    # Discounted they are 1/5, 0.5/5 and 1/5, which leaves 2.5/5 for four kinds: 0.125 each.
    a, b, edge = 0.2 + 0.125, 0.1 + 0.125, 0.2 + 0.125
    # Behind the edge: a twice of 2, discounted (2-1)/2, leaves 1/2. Behind a: a, b and edge once of 3, each
    # 0.5/3, leaves 1.5/3. Behind b: edge once of 1, discounted 0.5, leaves 0.5.
    a_first = 1 / 2 + 1 / 2 * a
    b_behind_a = 0.5 / 3 + 1.5 / 3 * b
    edge_behind_b = 0.5 + 0.5 * edge
    model = kneser_ney.train(np.array([0, 1, 1, 0, 1, 2, 0], np.uint16), 2, 4, 1000)
    expected = math.log(a_first * b_behind_a * edge_behind_b)
    assert log_probability(model, [0, 1, 2, 0]) == pytest.approx(expected, abs=1e-6)
    # The unknown symbol 3: behind a, what is left there and then a quarter of what unigrams leave.
    unknown = 1.5 / 3 * 0.125
    assert log_probability(model, [0, 1, 3]) == pytest.approx(math.log(a_first * unknown), abs=1e-6)


def test_perplexity_is_the_inverse_geometric_mean_per_character(tmp_path: Path) -> None:
    reference = tmp_path / "reference.txt"
    reference.write_text("\n".join(sentences(40)), "utf-8")
    model = fitted([], tmp_path / "model", reference=LocalPath(str(reference)))
    both, one, other = measured(["cat rain", "cat", "rain"], model)
    # each word ends with an edge: 4 and 5 symbols
    assert both ** (4 + 5) == pytest.approx(one**4 * other**5, rel=1e-6)


@pytest.mark.parametrize("reach", ["word", "text"])
def test_broken_text_surprises_more_than_whole_text(tmp_path: Path, reach: str) -> None:
    model = fitted(sentences(200), tmp_path, reach=reach)
    whole = measured(sentences(20, seed=2), model)
    broken = measured([text.replace("e", "c").replace("l", "1 ") for text in sentences(20, seed=2)], model)
    assert max(whole) < min(broken)


def test_with_reach_text_the_order_of_words_counts(tmp_path: Path) -> None:
    texts = ["one two three four five six seven eight"] * 3 + sentences(50)
    reference = tmp_path / "reference.txt"
    reference.write_text("\n".join(texts), "utf-8")
    shuffled = "eight three six one seven two five four"
    for reach, is_equal in (("word", True), ("text", False)):
        model = fitted([], tmp_path / reach, reference=LocalPath(str(reference)), reach=reach)
        given, other = measured([texts[0], shuffled], model)
        assert (given == pytest.approx(other)) == is_equal
        assert given <= other * (1 + 1e-9)


def test_a_text_is_not_measured_by_a_model_that_learnt_from_it(tmp_path: Path) -> None:
    odd = "zyxwvut qponmlk jihgfedcba"
    others = sentences(100)
    model = fitted([*others, odd], tmp_path / "with")
    (own,), (other,) = measured([odd], model), measured([odd.replace("zyx", "xzy")], model)
    assert own > 50  # nothing like it was seen
    assert other > 5


def test_the_same_texts_in_any_order_and_batches_make_the_same_bytes(tmp_path: Path) -> None:
    texts = [*sentences(300), None, "", "naïve 日本 текст"]
    fitted(texts, tmp_path / "one")
    other = tmp_path / "other"
    other.mkdir()
    turned = pa.array(texts[::-1], pa.string())
    fit(iter([turned[:7], turned[7:7], turned[7:]]), other)
    for name in ("model0.npz", "model1.npz"):
        assert (tmp_path / "one" / name).read_bytes() == (other / name).read_bytes()


def test_a_large_corpus_is_sampled_by_what_its_texts_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 5_000)
    texts = sentences(1000)
    for name, given in (("one", texts), ("other", texts[::-1])):
        (tmp_path / name).mkdir()
        batches = (pa.array(given[start : start + 50]) for start in range(0, len(given), 50))
        fit(batches, tmp_path / name)
    first, second = ((tmp_path / name / "model0.npz").read_bytes() for name in ("one", "other"))
    assert first == second
    assert len(module._sample(iter([pa.array(texts)]))) < 100


def test_empty_missing_and_blank_texts_are_not_measured(tmp_path: Path) -> None:
    model = fitted([*sentences(20), "", None, "  \n"], tmp_path)
    values = measured(["", None, " \n\t", "cat"], model)
    assert [value != value for value in values] == [True, True, True, False]


@pytest.mark.parametrize("texts", [[], [""], [None], ["only one text"]])
def test_where_there_is_nothing_to_learn_from_nothing_is_measured(tmp_path: Path, texts: list[str | None]) -> None:
    model = fitted(texts, tmp_path)
    assert all(value != value for value in measured([*texts, "only one text"][:1], model))


def test_a_script_that_was_never_seen_is_very_surprising(tmp_path: Path) -> None:
    model = fitted(sentences(100), tmp_path)
    latin, other = measured(["the green house", "зелёный дом"], model)
    assert other > 1000 * latin


def test_capitals_digits_and_typography_do_not_matter(tmp_path: Path) -> None:
    model = fitted([f'{text} it\'s "{number}"' for number, text in enumerate(sentences(50))], tmp_path / "model")
    plain, other = measured(['it\'s "12" cats', "IT’S “99”\u00a0\u00a0CATS "], _one_model(model))
    assert plain == other


def _one_model(model: Fitted) -> Fitted:
    """The first half's model alone, so that two texts are measured by the same one."""
    Path(model, "model1.npz").unlink()
    return model


def test_an_order_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="order 0"):
        fitted(sentences(3), tmp_path, order=0)


def test_a_reference_may_be_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number, text in enumerate(sentences(20)):
        (folder / f"{number}.txt").write_text(text, "utf-8")
    model = fitted([], tmp_path / "model", reference=LocalPath(str(folder)))
    whole, broken = measured(["the small cat sat", "tbe srnall cat sa1"], model)
    assert whole < broken
