"""The signal code_ratio."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tunesmith.data.signals.code_ratio import code_ratio


def ratio(text: str) -> float:
    """The share of code in a text."""
    return float(code_ratio(pa.array([text]))[0])


@pytest.mark.parametrize(
    "line",
    [
        "def words(text: str) -> int:",
        "    return len(text.split())",
        "from pathlib import Path",
        "import numpy as np",
        "#include <stdio.h>",
        "public static void main(String[] args) {",
        "for (int i = 0; i < n; i++) {",
        "x = y + 1",
        'self.names["a"] = b',
        'printf("%d", x);',
        "items.append(item)",
        "});",
        "</div>",
        '<a href="x">',
        '  "name": "value",',
        "if not found:",
        "// a comment",
        "int count;",
    ],
)
def test_a_line_of_code_is_known(line: str) -> None:
    assert ratio(line) == 1.0


@pytest.mark.parametrize(
    "line",
    [
        "The cat sat on the mat.",
        "If it rains, we stay at home:",
        "from London, with love",
        "Return to the station; then turn left.",
        "for a long time nothing happened;",
        "- a point in a list",
        "# A heading",
        "1. import duties rose",
        "while he was away, nothing was done",
        "She paid (so they say) a price.",
        "Привет, мир!",
    ],
)
def test_a_line_of_prose_is_known(line: str) -> None:
    assert ratio(line) == 0.0


def test_what_stands_between_fences_is_code_and_an_open_fence_ends_with_its_text() -> None:
    open_one, other = code_ratio(pa.array(["Look:\n```\nplain words here", "plain words here"]))
    assert open_one > 0.5
    assert other == 0.0


def test_blank_lines_and_indents_count_for_nothing() -> None:
    assert ratio("x = 1\n\n\n        y = 2\n") == 1.0
    assert ratio("abcde\n     \nx = 12") == pytest.approx(0.5, abs=0.05)


def test_this_file_is_mostly_code() -> None:
    assert ratio(Path(__file__).read_text("utf-8")) > 0.3
