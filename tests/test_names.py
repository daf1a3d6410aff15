"""Every registered name stands in the docs, with the help and the parameters it has now."""

from __future__ import annotations

from tests.names import PAGE, PRESETS, page, presets


def test_the_page_of_names_says_what_the_functions_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tests.names"


def test_the_page_of_presets_says_what_the_presets_say() -> None:
    assert PRESETS.read_text("utf-8") == presets(), "run: python -m tests.names"
