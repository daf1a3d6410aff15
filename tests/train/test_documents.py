"""Documents become one stream of tokens on disk, and nothing of them is lost or read as a control token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.train.document_toys import sentences, text_rows, tokenizer
from tests.train.train_toys import chat

from tunesmith.core.errors import UserError
from tunesmith.train import documents
from tunesmith.train.documents import write_documents


def test_documents_and_chats_stand_end_to_end_and_rows_without_text_are_counted(tmp_path: Path) -> None:
    rows = [{"text": "The cat."}, chat("Who?", "A dog."), {"text": ""}, {"text": "A dög.", "weight": 2, "domain": "b"}]
    found = write_documents(rows, tokenizer(), tmp_path)
    texts = [tokenizer().decode(found.text_ids(i)[:-1]) for i in range(len(found))]
    assert (texts[0], texts[2], found.empty) == ("The cat.", "A dög.", 1)
    assert "Who?" in texts[1]
    assert texts[1].count("<") > 2  # as the template writes it
    assert found.bytes.tolist() == [8, len(texts[1].encode()), 7]
    assert [found.text_ids(i)[-1] for i in range(3)] == [tokenizer().eos_token_id] * 3
    assert found.tokens == len(found.ids) == found.lengths.sum()
    assert (found.names, found.domains.tolist(), found.weights.tolist()) == (("text", "b"), [0, 0, 1], [1, 1, 2])
    assert found.drawn == found.tokens + found.lengths[2]


def test_a_control_token_that_a_document_spells_stays_text(tmp_path: Path) -> None:
    end = tokenizer().eos_token
    found = write_documents([{"text": f"a{end}b"}], tokenizer(), tmp_path)
    ids = found.text_ids(0)
    assert (ids == tokenizer().eos_token_id).nonzero()[0].tolist() == [len(ids) - 1]
    assert tokenizer().decode(ids[:-1]) == f"a{end}b"
    assert tokenizer()(f"a{end}b").input_ids.count(tokenizer().eos_token_id) == 1  # and is one elsewhere, still


def test_what_is_encoded_at_once_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "\n".join(sentences(2, seed=i) + " " * (i % 2) + "\n" * (i % 3) + "\t" * (i % 5) for i in range(60))
    rows = [*text_rows(5), {"text": lines}, *text_rows(3, seed=9), chat("Who?", "A dog.")]
    whole = write_documents(rows, tokenizer(), tmp_path / "a")
    monkeypatch.setattr(documents, "CHARACTERS", 400)
    calls: list[int] = []
    encode = documents._in_pieces
    monkeypatch.setattr(documents, "_in_pieces", lambda *given: calls.append(1) or encode(*given))
    pieces = write_documents(rows, tokenizer(), tmp_path / "b")
    assert calls  # the long one
    assert pieces.fingerprint() == whole.fingerprint()
    assert np.array_equal(pieces.bytes, whole.bytes)


@pytest.mark.parametrize(("weight", "said"), [(-1, "has the weight -1"), (0, "All weights of the documents are 0")])
def test_weights_that_draw_nothing_are_refused(weight: float, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        write_documents([{"text": "a", "weight": weight}], tokenizer(), tmp_path)


def test_a_chat_behind_a_batch_of_texts_keeps_its_control_tokens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(documents, "AT_ONCE", 1)
    talk = {"messages": [{"role": "user", "content": "The cat"}, {"role": "assistant", "content": "sees the sea."}]}
    alone = write_documents([talk], tokenizer(), tmp_path / "alone")
    behind = write_documents([*text_rows(1), talk], tokenizer(), tmp_path / "behind")
    assert behind.text_ids(1).tolist() == alone.text_ids(0).tolist()
