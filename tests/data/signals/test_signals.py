"""The first signals, and that each one's examples run."""

from __future__ import annotations

import doctest
import gzip
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pytest

from tunesmith.core import registry
from tunesmith.core.errors import UserError
from tunesmith.data.signals.characters import characters
from tunesmith.data.signals.language import language
from tunesmith.data.signals.regex import regex


@pytest.mark.parametrize("name", registry.names("signal"))
def test_a_signal_ships_with_three_examples_that_hold(name: str) -> None:
    module = import_module(f"tunesmith.data.signals.{name}")
    failed, tried = doctest.testmod(module)
    assert failed == 0
    assert tried >= 3


def test_characters_are_code_points_not_bytes() -> None:
    assert characters(pa.array(["日本", "a\n", "👍🏽"])).to_pylist() == [2, 2, 2]


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "[z-a]"])
def test_a_pattern_that_is_none_is_a_mistake_of_the_recipe(pattern: str) -> None:
    with pytest.raises(UserError, match="is no pattern"):
        regex(pa.array(["text"]), pattern=pattern)


def test_a_pattern_that_would_take_for_ever_elsewhere_is_counted_at_once() -> None:
    assert regex(pa.array(["a" * 50_000]), pattern="(a+)+$").to_pylist() == [1]
    assert regex(pa.array(["a" * 50_000]), pattern="(a|a)*b").to_pylist() == [0]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "Return a string representation or raise an error."),
        ("de", "Wir haben den Vertrag gestern nicht unterschrieben."),
        ("fr", "Nous avons signé le contrat hier dans la soirée."),
        ("es", "Ayer firmamos el contrato y después fuimos a cenar."),
        ("it", "Ieri abbiamo firmato il contratto e poi siamo andati a cena."),
        ("pt", "Ontem não assinámos o contrato, mas fomos jantar."),
        ("nl", "We hebben het contract gisteren niet ondertekend."),
        ("pl", "Wczoraj nie podpisaliśmy umowy, ale poszliśmy na kolację."),
        ("sv", "Vi skrev inte under avtalet i går utan gick ut och åt."),
        ("fi", "Emme allekirjoittaneet sopimusta eilen, vaan kävimme syömässä."),
        ("ru", "Вчера мы не подписали договор, а пошли ужинать."),
        ("uk", "Вчора ми не підписали угоду, а пішли вечеряти."),
        ("el", "Χθες δεν υπογράψαμε το συμβόλαιο."),
        ("ar", "لم نوقع العقد أمس."),
        ("zh", "昨天我们没有签合同。"),
        ("ko", "어제 계약서에 서명하지 않았습니다."),
        ("und", "1234 -- 5678 !!!"),
        ("und", "ðþþðþ þðððþþ ðþðþ"),
    ],
)
def test_a_sentence_is_known_by_its_language(code: str, text: str) -> None:
    assert language(text) == code


SENTENCES = Path(__file__).parents[4] / "shared/data/language_id/sentences"
KNOWN = [
    "ar",
    "cs",
    "da",
    "de",
    "en",
    "es",
    "fa",
    "fr",
    "gu",
    "he",
    "hi",
    "id",
    "it",
    "ja",
    "ka",
    "ko",
    "nb",
    "nl",
    "pl",
    "ru",
    "sr",
    "sv",
    "ur",
    "vi",
    "zh",
]


@pytest.mark.skipif(not SENTENCES.exists(), reason="the sentences in 41 languages are not on this machine")
def test_most_sentences_of_the_languages_it_covers_are_known() -> None:
    right = asked = 0
    for code in KNOWN:
        lines = gzip.decompress((SENTENCES / f"{code}.txt.gz").read_bytes()).decode().splitlines()[:1000:20]
        asked += len(lines)
        right += sum(language(line) == code for line in lines)
    assert right / asked > 0.94
