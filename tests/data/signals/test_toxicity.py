"""The signals toxicity, adult and violence: what fires, what must not, and texts of every length and script."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from tunesmith.data.signals.adult import adult
from tunesmith.data.signals.toxicity import toxicity
from tunesmith.data.signals.violence import violence
from tunesmith.data.views import Views

PLAIN = "The committee met on Tuesday and read the minutes of the last meeting, as it does every week of the year. "
CRUDE = "Shut up, you stupid bitch, go fuck yourself. "


def of(signal: str, texts: Sequence[str | None]) -> list[float]:
    given = pa.array(texts, pa.string())
    if signal == "toxicity":
        return toxicity(given).tolist()
    return {"adult": adult, "violence": violence}[signal](given, Views(given).words).tolist()


@pytest.mark.parametrize(
    "text",
    [
        "You are a fucking idiot.",
        "SHUT UP YOU MORON",
        "what a stupid bitch",
        "i will kill you",
        "you f*cking asshole",
        "Women are filth and deserve to die.",
    ],
)
def test_insults_and_threats_are_toxic(text: str) -> None:
    assert of("toxicity", [text])[0] > 0.5


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "I am a lesbian and my wife is a Muslim.",
        "Black people, Jews and immigrants pay taxes like everybody else.",
        "Kill the child process; the master aborts the slave and garbage is collected.",
        "Breast cancer screening is recommended for women over fifty.",
        "The army was defeated, and the king died in the dungeon.",
        "def kill(self, victim): raise BadRequest('dumb terminal')",
        "Сегодня комитет прочитал протокол. 今天委员会开会了。",
    ],
)
def test_groups_programs_medicine_and_other_scripts_are_not_toxic(text: str) -> None:
    assert of("toxicity", [text])[0] < 0.5


def test_a_page_with_one_crude_sentence_is_less_toxic_than_one_full_of_them() -> None:
    one, many, none = of("toxicity", [PLAIN * 300 + CRUDE, CRUDE * 300, PLAIN * 300])
    assert none < one < 0.5 < many


@pytest.mark.parametrize(
    ("signal", "text"), [("adult", "Free porn videos, hot milf"), ("violence", "a beheaded corpse")]
)
def test_a_lexicon_scores_by_density(signal: str, text: str) -> None:
    plain, diluted, dense, full = of(signal, [PLAIN, text + " " + PLAIN * 3, text, (text + ", ") * 10])
    assert 0 == plain < diluted < dense < 0.9 < full <= 1


@pytest.mark.parametrize(
    ("signal", "text"),
    [
        ("adult", "The penis, the vagina and the anus are examined; sexual intercourse may transmit the virus. " * 5),
        ("adult", "An analysis of cockpits in Scunthorpe, Essex and Middlesex. Moby Dick, a classic."),
        (
            "violence",
            "Kill the process, execute the query, abort the transaction; the attack surface shrinks, and the job dies.",
        ),
    ],
)
def test_medicine_place_names_and_programs_are_in_no_lexicon(signal: str, text: str) -> None:
    assert of(signal, [text])[0] < 0.2


@pytest.mark.parametrize("signal", ["toxicity", "adult", "violence"])
def test_texts_of_every_kind_get_a_score_or_none_and_the_same_in_any_batch(signal: str) -> None:
    texts = [PLAIN, None, "", "!?", "x" * 300_000, "昨天" * 1000, CRUDE, "a " * 100_000]
    scores = np.array(of(signal, texts))
    assert np.isnan(scores).tolist() == [text is None or not any(map(str.isalnum, text)) for text in texts]
    assert ((scores >= 0) & (scores <= 1) | np.isnan(scores)).all()
    alone = [of(signal, [text])[0] for text in texts]
    np.testing.assert_array_equal(alone, scores)
    assert of(signal, []) == []
