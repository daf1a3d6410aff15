"""The edit c4_lines leaves what the signal c4_lines counts."""

from __future__ import annotations

import pyarrow as pa

from tunesmith.data.edits.c4_lines import c4_lines
from tunesmith.data.kernels.quality import counts

PAGE = """Home | Products | Contact
The house stands on a hill. It has red walls.[3]
Please enable javascript to see this page.
Short one.
"Is anybody there?" asked the old man.
And so it went on and on ...
Read our privacy policy before you go on.
"""


def test_sentences_stay_and_menus_notices_and_fragments_go() -> None:
    assert c4_lines(PAGE).split("\n") == [
        "The house stands on a hill. It has red walls.",
        '"Is anybody there?" asked the old man.',
    ]


def test_what_is_left_has_the_sentences_that_were_counted_before() -> None:
    page = PAGE.replace("[3]", "")
    before, after = (counts(pa.array([text])).c4_sentences.tolist() for text in (page, c4_lines(page)))
    assert before == after
    assert before[0] > 2


def test_a_text_without_sentences_becomes_empty_and_stays_so() -> None:
    assert c4_lines("Menu\nLogin") == c4_lines("") == ""
