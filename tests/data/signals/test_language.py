"""The signal language: sentences, texts that tell nothing, long texts, and models of fastText by path."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tunesmith.core.errors import UserError
from tunesmith.data.signals.language import language

ENGLISH = "The committee did not sign the contract yesterday, because nobody had read it to the end. "
GERMAN = "Der Ausschuss hat den Vertrag gestern nicht unterschrieben, weil ihn niemand zu Ende gelesen hatte. "


def codes(*texts: str | None, **options: object) -> list[str | None]:
    return language(pa.array(texts, pa.string()), **options)[""].to_pylist()  # type: ignore[arg-type]  # by name


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
        ("no", "Vi skrev ikke under avtalen i går, men gikk ut og spiste."),
        ("fi", "Emme allekirjoittaneet sopimusta eilen, vaan kävimme syömässä."),
        ("ru", "Вчера мы не подписали договор, а пошли ужинать."),
        ("uk", "Вчора ми не підписали угоду, а пішли вечеряти."),
        ("sr", "Јуче нисмо потписали уговор, него смо отишли на вечеру."),
        ("el", "Χθες δεν υπογράψαμε το συμβόλαιο."),
        ("ar", "لم نوقع العقد أمس لأن أحدا لم يقرأه حتى النهاية."),
        ("zh", "昨天我们没有签合同。"),
        ("ko", "어제 계약서에 서명하지 않았습니다."),
        ("th", "เมื่อวานเราไม่ได้เซ็นสัญญา"),
    ],
)
def test_a_sentence_is_known_by_its_language(code: str, text: str) -> None:
    assert codes(text) == [code]


@pytest.mark.parametrize("text", ["", "   ", "1234 -- 5678 !!!", "ok", "x = y[3] + z_2", "👍🏽", "zzzzzz" * 100])
def test_what_is_in_no_language_or_too_short_to_tell_is_undetermined(text: str) -> None:
    assert codes(text) == ["und"]


def test_a_row_without_text_has_neither_code_nor_score() -> None:
    measured = language(pa.array([None, ENGLISH]))
    assert measured[""].to_pylist() == [None, "en"]
    assert measured["score"].is_valid().to_pylist() == [False, True]
    assert language(pa.array([], pa.string()))["score"].to_pylist() == []


def test_the_score_grows_with_the_text_and_the_bound_below_which_nothing_is_told_is_a_parameter() -> None:
    texts = ["The cat is", "The cat is on the roof", ENGLISH * 20]
    scores = language(pa.array(texts))["score"].to_pylist()
    assert 0 < scores[0] < scores[1] < scores[2] <= 1
    assert codes(*texts, unsure=0.5) == ["und", "en", "en"]


def test_capitals_and_letters_apart_from_their_marks_are_read_as_usual() -> None:
    assert codes(GERMAN.upper(), "De\u0301ja\u0300 vu, monsieur, mais ou\u0300 donc\u00a0?") == ["de", "fr"]


def test_a_long_text_is_read_at_three_places_so_that_its_head_does_not_speak_for_it() -> None:
    text = ENGLISH * 4 + GERMAN * 1000
    assert codes(text) == ["de"]
    assert codes(text[:300], GERMAN[:3] + ENGLISH * 20) == ["en", "en"]
    assert codes("昨天我们没有签合同。" * 20_000) == ["zh"]  # three bytes a character


def test_a_text_is_told_alike_in_any_batch() -> None:
    texts = [ENGLISH, GERMAN * 30, "昨天我们没有签合同。", "ok", ""]
    together = language(pa.array(texts))["score"].to_pylist()
    assert [language(pa.array([text]))["score"].to_pylist()[0] for text in texts] == together
    assert language(pa.array([GERMAN, *texts]).slice(1))["score"].to_pylist() == together


LABELS = ("en", "de", "fr", "nl")
WORDS = ("</s>", "the", "der", "contract", "Vertrag")
BUCKETS, WIDTH = 64, 6


def _vectors(height: int, *, is_quantised: bool) -> bytes:
    rng = np.random.default_rng(height)
    if not is_quantised:
        return struct.pack("<qq", height, WIDTH) + rng.normal(size=(height, WIDTH)).astype(np.float32).tobytes()
    codes = rng.integers(0, 256, (height, 2), np.uint8)  # two codewords a vector, of four and of two numbers
    codewords = rng.normal(size=256 * WIDTH).astype(np.float32)
    norms = struct.pack("<iiii", 1, 1, 1, 1) + rng.random(256).astype(np.float32).tobytes()
    head = struct.pack("<bqqi", 1, height, WIDTH, codes.size)
    parts = struct.pack("<iiii", WIDTH, 2, 4, 2) + codewords.tobytes()
    return head + codes.tobytes() + parts + rng.integers(0, 256, height, np.uint8).tobytes() + norms


def fasttext_model(path: Path, *, loss: int, is_quantised: bool) -> str:
    """A file as fastText writes it, with random vectors."""
    numbers = (WIDTH, 5, 5, 1, 5, 1, loss, 3, BUCKETS, 2, 4, 100)
    head = struct.pack("<ii12id", 793712314, 12, *numbers, 1e-4)
    kept = range(0, BUCKETS, 2) if is_quantised else []
    sizes = (len(WORDS) + len(LABELS), len(WORDS), len(LABELS), 100, len(kept) if is_quantised else -1)
    entries = b"".join(word.encode() + struct.pack("<bqb", 0, 9, 0) for word in WORDS)
    entries += b"".join(f"__label__{code}".encode() + struct.pack("<bqb", 0, 9 - n, 1) for n, code in enumerate(LABELS))
    pruned = b"".join(struct.pack("<ii", bucket, row) for row, bucket in enumerate(kept))
    rows = len(WORDS) + (len(kept) if is_quantised else BUCKETS)
    matrices = struct.pack("<b", is_quantised) + _vectors(rows, is_quantised=is_quantised)
    matrices += struct.pack("<b", 0) + _vectors(len(LABELS), is_quantised=False)
    path.write_bytes(head + struct.pack("<iiiqq", *sizes) + entries + pruned + matrices)
    return str(path)


@pytest.mark.parametrize("loss", [1, 2, 3], ids=["hierarchical", "negative sampling", "softmax"])
@pytest.mark.parametrize("is_quantised", [False, True], ids=["bin", "ftz"])
def test_a_model_of_fasttext_tells_what_fasttext_tells(tmp_path: Path, loss: int, is_quantised: bool) -> None:
    fasttext = pytest.importorskip("fasttext", reason="fasttext-predict is not installed")
    path = fasttext_model(tmp_path / "model", loss=loss, is_quantised=is_quantised)
    theirs = fasttext.load_model(path)
    texts = ["the contract", "der Vertrag", "Überraschung! 昨天我们没有签合同。", ENGLISH, GERMAN, "a\tb\u00a0c " * 400]
    measured = language(pa.array(texts), model=path, characters=100_000, unsure=0)  # type: ignore[arg-type]  # as the engine gives it
    for row, text in enumerate(texts):
        (label,), (score,) = theirs.predict(text, 1)
        assert measured[""][row].as_py() == label.removeprefix("__label__")
        assert measured["score"][row].as_py() == pytest.approx(min(score, 1), abs=0.01)  # fastText rounds


def test_a_text_that_a_model_of_fasttext_knows_nothing_of_is_undetermined(tmp_path: Path) -> None:
    path = fasttext_model(tmp_path / "model.bin", loss=3, is_quantised=False)
    assert codes("", " \n", None, model=path) == ["und", "und", None]


def test_a_file_that_is_no_model_is_a_users_mistake(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"not a model" * 10)
    with pytest.raises(UserError, match="no fastText model"):
        codes("text", model=str(path))
