"""Which words are a domain's terms, and that tokens are told to the right words, whatever the tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train.text_toys import PLANTED, documents
from tests.train.train_toys import chat
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tunesmith.models.chat import END_OF_TURN
from tunesmith.train.documents import write_documents
from tunesmith.train.forgetting import Measured
from tunesmith.train.language import HeldOut
from tunesmith.train.scratch import scratch_tokenizer
from tunesmith.train.terminology import (
    Counted,
    Term,
    counted,
    log_odds,
    occurrences_of,
    terminology,
    terms_of,
    words_of,
    words_of_tokens,
)

TEXT = "Gas für Gas: naïve 漢字, msg.sender's 😀uint256 _hidden 0xabc\n\n  EIP-1559 Load loadConfig"
WORDS = ["gas", "für", "gas", "naïve", "漢字", "msg", "sender", "s", "uint256", "_hidden", "eip", "load", "loadconfig"]


def pieced(kind: str) -> PreTrainedTokenizerFast:
    """Tokenizers of other kinds than our own."""
    if kind == "unigram":
        inner = Tokenizer(models.Unigram())
        inner.pre_tokenizer = pre_tokenizers.Metaspace()
        inner.decoder = decoders.Metaspace()
        trainer: Any = trainers.UnigramTrainer(vocab_size=60, special_tokens=["</s>", "<unk>"], unk_token="<unk>")
    else:
        inner = Tokenizer(models.WordPiece(unk_token="<unk>"))
        inner.normalizer = normalizers.Lowercase()
        inner.pre_tokenizer = pre_tokenizers.Whitespace()
        inner.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=["</s>", "<unk>"])
    inner.train_from_iterator([TEXT], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", unk_token="<unk>")


def spelt(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> list[tuple[str, str]]:
    """Each word, and what its own tokens say."""
    words, tokens = words_of_tokens(tokenizer, ids)
    assert words is not None
    return [
        (word, str(tokenizer.decode([ids[i] for i in np.flatnonzero(tokens == place)])).strip().casefold())
        for place, word in enumerate(words)
    ]


def test_words_begin_with_a_letter_and_are_in_small_letters() -> None:
    assert [word for _, word in words_of(TEXT)] == WORDS
    assert all(TEXT[begin:end].casefold() == word for (begin, end), word in words_of(TEXT))


@pytest.mark.parametrize("vocabulary", [300, 600])
@pytest.mark.parametrize("kind", ["bpe", "words"])
def test_the_tokens_of_a_word_spell_it_with_byte_level_tokenizers(kind: str, vocabulary: int) -> None:
    tokenizer = scratch_tokenizer([TEXT, "gas load"], kind=kind, vocabulary=vocabulary)
    ids = tokenizer.backend_tokenizer.encode(TEXT, add_special_tokens=False).ids
    found = spelt(tokenizer, ids)
    assert [word for word, _ in found] == WORDS
    # A token may hold signs beside the word, but never a letter of another one.
    assert all("".join(c for c in said if c.isalnum() or c == "_") == word for word, said in found)


@pytest.mark.parametrize("kind", ["unigram", "wordpiece"])
def test_the_tokens_of_a_word_spell_it_with_other_tokenizers(kind: str) -> None:
    tokenizer = pieced(kind)
    text = "gas für naïve load gas"
    found = spelt(tokenizer, tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)
    assert [word for word, _ in found] == text.split()
    assert all(said.replace("#", "") == word for word, said in found)


def test_chats_and_texts_that_spell_special_tokens_are_read_too(tmp_path: Path) -> None:
    tokenizer = scratch_tokenizer([TEXT], vocabulary=300)
    rows = [chat("Which gas?", "Load it."), {"text": f"gas {END_OF_TURN} load"}]
    made = write_documents(rows, tokenizer, tmp_path)
    of_chat, of_text = (words_of_tokens(tokenizer, made.text_ids(i)[:-1].tolist())[0] for i in range(2))
    assert of_chat is not None
    assert [word for word in of_chat if word in ("which", "gas", "load", "it")] == ["which", "gas", "load", "it"]
    assert of_text == ["gas", "im_end", "load"]


def test_ids_that_their_text_does_not_give_again_are_not_guessed_at() -> None:
    tokenizer = scratch_tokenizer(["gas gas gas"], vocabulary=300)
    letters = [tokenizer.convert_tokens_to_ids(letter) for letter in "gas"]  # the text has a token of its own
    words, tokens = words_of_tokens(tokenizer, letters)
    assert words is None
    assert tokens.tolist() == [-1, -1, -1]


def test_log_odds_are_those_worked_out_by_hand() -> None:
    # 10 of 100 words beside 2 of 200: the prior is 100 words, 4 of them this one, so 14 of 200 beside 6 of 300:
    # (ln 14/186 - ln 6/294) / sqrt(1/14 + 1/6) = (-2.58669 + 3.89182) / 0.48795
    assert log_odds(np.array([10.0]), np.array([2.0]), 100, 200)[0] == pytest.approx(2.67472, abs=1e-4)
    assert log_odds(np.array([5.0]), np.array([10.0]), 100, 200)[0] == pytest.approx(0.0, abs=1e-9)


def test_the_planted_words_are_the_terms_and_what_few_documents_have_is_none() -> None:
    rows = documents(60, planted=True, seed=3)
    rows += [{"text": " ".join(["lonely"] * 50)}, {"text": " ".join(["lonely"] * 50)}]
    found = terms_of(counted(rows), counted(documents(60, planted=False, seed=1)))
    assert {term.word for term in found} == set(PLANTED)
    assert found == sorted(found, key=lambda term: -term.z)
    assert all(term.general == 0 and term.count > 50 for term in found)
    assert not terms_of(counted(documents(60, planted=False, seed=8)), counted(documents(60, planted=False, seed=9)))


def test_a_chats_turns_are_counted_and_its_roles_are_not() -> None:
    found: Counted = counted([chat("Gas gas?", "No gas.")])
    assert found.words == {"gas": 3, "no": 1}
    assert found.documents == {"gas": 1, "no": 1}


def measured_by_hand(held: HeldOut, nats: list[float], firsts: list[bool]) -> Measured:
    sizes = np.cumsum([end - begin for _, begin, end in held.pieces()])[:-1]
    return Measured(
        held, np.split(np.array(nats, dtype=np.float32), sizes), np.split(np.array(firsts, dtype=np.bool_), sizes)
    )


def test_nats_and_first_choices_of_words_are_those_counted_by_hand(tmp_path: Path) -> None:
    tokenizer = scratch_tokenizer([""], vocabulary=300)  # every byte is a token
    made = write_documents([{"text": "ab ab c"}, {"text": "c ab"}], tokenizer, tmp_path)
    held = HeldOut(made, length=8)
    occurrences = occurrences_of(held, tokenizer)
    assert list(occurrences.words) == ["ab", "ab", "c", "c", "ab"]
    assert occurrences.documents.tolist() == [0, 0, 0, 1, 1]
    # "a", "b", " ", "a", "b", " ", "c", end; then "c", " ", "a", "b", end
    before = measured_by_hand(held, [1, 2, 9, 3, 4, 9, 5, 9, 6, 9, 7, 8, 9], [True] * 13)
    after = measured_by_hand(held, [1, 1, 9, 1, 1, 9, 5, 9, 6, 9, 1, 1, 9], [True] * 3 + [False] + [True] * 9)
    told: Any = terminology([Term("ab", 9.0, 5, 0)], occurrences, before, after, least=3)
    assert [term["word"] for term in told["terms"]] == ["ab"]
    nats, first = told["all_terms"]["nats"], told["all_terms"]["first"]
    assert nats["before"]["value"] == pytest.approx((3 + 7 + 15) / 3)
    assert nats["after"]["value"] == 2
    assert nats["difference"]["value"] == pytest.approx(2 - 25 / 3)
    assert (first["before"]["value"], first["after"]["value"]) == (1, pytest.approx(2 / 3))
    assert told["other_words"]["nats"]["before"] == told["other_words"]["nats"]["after"] | {"value": 5.5}
    assert not terminology([Term("ab", 9.0, 5, 0)], occurrences, before, after, least=4)["terms"]


def test_a_word_that_the_measured_pieces_do_not_hold_whole_is_left_out(tmp_path: Path) -> None:
    tokenizer = scratch_tokenizer([""], vocabulary=300)
    made = write_documents([{"text": "ab cd ef gh"}], tokenizer, tmp_path)
    pieces = HeldOut(made, length=4, most=8)  # the first and the last of three pieces: "ab c" and " gh" with the end
    assert [(begin, end) for _, begin, end in pieces.pieces()] == [(0, 4), (8, 12)]
    assert list(occurrences_of(pieces, tokenizer).words) == ["ab", "gh"]
