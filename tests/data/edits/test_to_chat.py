"""Documents become conversations by templates."""

from __future__ import annotations

import pytest
from tests.data.data_toys import batch_of, op

from tunesmith.core.errors import UserError
from tunesmith.data.edits.to_chat import to_chat
from tunesmith.data.measure import apply


def test_a_template_names_columns_and_what_is_in_meta() -> None:
    chat = to_chat({"text": "Paris", "group": "g1", "meta": {"city": "x", "n": 2}}, user="{city}/{group}: {n}? {{}}")
    assert chat["messages"] == [{"role": "user", "content": "x/g1: 2? {}"}, {"role": "assistant", "content": "Paris"}]
    assert chat["target"] == "Paris"


def test_a_column_goes_before_a_meta_of_the_same_name() -> None:
    chat = to_chat({"text": "column", "meta": {"text": "meta", "prompt": "p"}})
    assert chat["target"] == "column"


def test_the_documents_text_is_gone_since_the_conversation_carries_it() -> None:
    batch = batch_of({"text": "answer", "prompt": "question"})
    changed = apply(batch, [op("edit", "to_chat", system="Be kind.")]).batch
    assert "text" not in changed.schema.names
    assert [turn["role"] for turn in changed["messages"][0].as_py()] == ["system", "user", "assistant"]


def test_a_field_that_no_record_has_is_a_mistake_that_names_those_there() -> None:
    with pytest.raises(UserError, match="names 'promt'") as caught:
        apply(batch_of({"text": "a", "prompt": "b"}), [op("edit", "to_chat", user="{promt}")])
    assert "prompt" in caught.value.hint


def test_a_record_without_the_field_is_quarantined_where_others_have_it() -> None:
    applied = apply(batch_of({"text": "a", "prompt": "p"}, {"text": "b"}), [op("edit", "to_chat")])
    assert applied.batch.num_rows == 1
    assert "names 'prompt', which this record does not have" in str(applied.quarantined[0]["error"])


def test_a_template_that_is_none_is_a_mistake() -> None:
    with pytest.raises(UserError, match="is no template"):
        to_chat({"text": "a"}, user="{prompt")
