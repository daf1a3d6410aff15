"""The frame of every page: one file with its style inside, readable on a phone, in the dark and by a screen reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tunesmith.web.html import Html, join, tag

# Even if a record slipped through the escaping, the browser would run nothing and fetch nothing.
STILL = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Section:
    """One part of a page: its heading, the anchor it is reached by, and its content."""

    anchor: str
    title: str
    body: Html
    lead: str = ""  # one sentence that says what is to be seen

    def html(self) -> Html:
        """The section with its heading."""
        heading = tag("h2", self.title, id=f"{self.anchor}-title")
        lead = tag("p", self.lead, class_="lead") if self.lead else ""
        return tag("section", heading, lead, self.body, id=self.anchor, aria_labelledby=f"{self.anchor}-title")


def page(*, title: str, head: Html, sections: Sequence[Section], policy: str = STILL) -> str:
    """A whole HTML document; a page with scripts of its own gives the content security policy it needs."""
    meta = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", style()),
    ]
    skip = tag("a", "Skip to the content", href="#content", class_="skip")
    body = tag("main", head, contents(sections), *(section.html() for section in sections), id="content")
    foot = tag(
        "footer",
        "Written by tunesmith. Intervals are 95 % intervals; n counts the rows behind a number.",
    )
    whole = tag("html", tag("head", join(meta, "\n")), tag("body", skip, body, foot), lang="en")
    return f"<!doctype html>\n{whole}\n"


def contents(sections: Sequence[Section]) -> Html:
    """Links to the sections of a page."""
    links = (tag("a", section.title, href=f"#{section.anchor}") for section in sections)
    return tag("nav", *links, aria_label="Sections") if sections else Html("")


def card(*children: object, class_: str = "") -> Html:
    """A framed part of a section."""
    return tag("div", *children, class_=f"card {class_}".strip())


def pill(text: str, kind: str) -> Html:
    """A short coloured word for a state; the word carries the meaning, the colour only repeats it."""
    return tag("span", text, class_=f"pill {kind}")


@cache
def style() -> Html:
    """The style sheet of all pages."""
    return Html(files("tunesmith.web").joinpath("page.css").read_text("utf-8"))
