"""The signal readability."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tunesmith.data.signals.readability import readability
from tunesmith.data.views import Views


def lix(*texts: str | None) -> list[float]:
    """The readability of each text."""
    column = pa.array(texts, pa.string())
    return list(readability(column, Views(column).words))


def test_it_is_lix_as_bjornsson_defined_it() -> None:
    # 12 words in 2 sentences, of which considerable, measured and reservations have more than six letters
    text = "They agreed with considerable but measured reservations. So it is done now."
    assert lix(text) == [pytest.approx(12 / 2 + 100 * 3 / 12)]


def test_letters_count_as_letters_in_any_alphabet() -> None:
    short, long = lix("быстро идёт дождь.", "быстрее идёт дождик.")
    assert short == pytest.approx(3)
    assert long == pytest.approx(3 + 100 / 3)


def test_a_number_with_a_point_or_a_missing_last_stop_ends_no_sentence() -> None:
    assert lix("it costs 3.14 now", "it costs 3 14 now.") == [5.0, 5.0]


def test_quotes_behind_a_stop_belong_to_the_sentence() -> None:
    assert lix('He said "go." She went.')[0] == pytest.approx(5 / 2)


def test_what_has_no_words_is_not_measured() -> None:
    assert all(value != value for value in lix("", None, "?!"))
