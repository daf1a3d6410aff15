"""What goes is what no writer wrote, and everything else stays, letter for letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.data_toys import batch_of, op

from tunesmith.core.errors import UserError
from tunesmith.data.edits.strip_boilerplate import KINDS, strip_boilerplate
from tunesmith.data.measure import apply

STORY = "The river rose all night.\n\nBy the morning it stood at the door."
PAGES = {
    "navigation": "Skip to main content\nHome\nAbout us\nContact\nSearch",
    "consent": "We use cookies to give you the best experience. Read more.\nAccept all cookies",
    "sharing": "Share on Facebook\nTweet this\nFollow us on Instagram!",
    "copyright": "Copyright © 2019-2024 The Daily Post\nAll rights reserved.",
}


@pytest.mark.parametrize("kind", PAGES)
def test_boilerplate_goes_from_both_ends_and_the_story_stays(kind: str) -> None:
    assert strip_boilerplate(f"{PAGES[kind]}\n\n{STORY}\n\n{PAGES[kind]}") == STORY


@pytest.mark.parametrize("kind", PAGES)
def test_a_kind_that_is_not_asked_for_stays(kind: str) -> None:
    page = f"{PAGES[kind]}\n{STORY}"
    assert strip_boilerplate(page, kinds=[other for other in KINDS if other != kind]) == page


@pytest.mark.parametrize(
    "line",
    [
        "Home > Products > Downloads",
        "Startseite | Kontakt | Impressum",
        "Accueil · Contact · Mentions légales",
        "Inicio | Contacto | Aviso legal",
        "Alle Rechte vorbehalten.",
        "Nous utilisons des cookies pour améliorer votre visite.",
        "Compartir en Twitter",
    ],
)
def test_four_languages_are_known(line: str) -> None:
    assert strip_boilerplate(f"{line}\n{STORY}") == STORY


@pytest.mark.parametrize(
    "text",
    [
        "Contact\nThe two surfaces touch.",
        "Home\n\nSearch\n\nA poem of two titles.",
        "We use cookies in this recipe as a crust, and it is good." * 8,
        "The cookie policy of the bakery changed.\nNobody minded.",
        "He said that all was well, and shared the page on his desk.",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "def f():\n    return 1\n\n\n# ---\n",
        "  indented\n\n\nand blank lines\n\n",
    ],
)
def test_what_may_be_text_stays_as_it_is(text: str) -> None:
    assert strip_boilerplate(text) == text


def test_a_line_far_from_the_ends_stays() -> None:
    text = "\n".join([*["Some words."] * 12, "Share on Facebook", *["More words."] * 12])
    assert strip_boilerplate(text) == text
    assert "Facebook" not in strip_boilerplate(text, edge=13)


def test_of_a_row_of_separators_one_stays_and_lone_ones_are_left() -> None:
    assert strip_boilerplate("one\n---\n\n- - -\n***\ntwo\n---\nthree") == "one\n---\n\ntwo\n---\nthree"


def test_a_page_of_boilerplate_alone_leaves_nothing() -> None:
    assert strip_boilerplate("\n".join(PAGES.values())) == ""


def test_a_language_without_rules_is_a_mistake_that_names_those_there_are() -> None:
    with pytest.raises(UserError, match="'xx'") as caught:
        strip_boilerplate("text", languages=["xx"])
    assert "de, en, es, fr" in caught.value.hint


def test_a_recipe_can_ask_for_it() -> None:
    changed = apply(batch_of({"text": f"{STORY}\nTweet this"}), [op("edit", "strip_boilerplate", edge=3)]).batch
    assert changed["text"].to_pylist() == [STORY]


LINES = st.sampled_from(["", "  ", "words here", "---", "Home", "Tweet this", "© 2020 X", "Menu | Blog | Help", "a\r"])


@given(st.lists(LINES, max_size=30), st.integers(0, 6))
def test_lines_are_only_ever_taken_out(lines: list[str], edge: int) -> None:
    left = strip_boilerplate("\n".join(lines), edge=edge)
    rest = iter(lines)
    assert left == "" or all(line in rest for line in left.split("\n"))
    assert left.count("words here") == lines.count("words here")
    assert strip_boilerplate("plain words") == "plain words"
