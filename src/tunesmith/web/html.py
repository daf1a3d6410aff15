"""HTML by small functions: every string is escaped unless it was made here, so data can never become markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
VOID = ("br", "hr", "img", "meta", "link", "input")


class Html(str):
    """Text that is HTML already; joining it to another string gives a plain string, which is escaped again."""

    __slots__ = ()


def visible(value: object) -> str:
    """The text of a value with control signs, lone surrogates and direction overrides replaced by U+FFFD."""
    return UNPRINTABLE.sub("�", "" if value is None else str(value))


def escaped(value: object) -> Html:
    """A value as HTML text: `Html` as it is, all else escaped."""
    return value if isinstance(value, Html) else Html(html.escape(visible(value)))


def breakable(name: object) -> Html:
    """A name that may break after its underscores, dots, slashes and hyphens, so that it fits a narrow column."""
    return join(re.split(r"(?<=[_./:-])", visible(name)), Html("<wbr>"))


def join(parts: Iterable[object], between: str = "") -> Html:
    """The parts one after another, each escaped unless it is `Html`."""
    return Html(escaped(between).join(escaped(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: str | float | None) -> Html:
    """One element; `class_` stands for class, `aria_label` for aria-label, and an attribute that is None is left out.

    >>> tag("td", "<3", class_="n", aria_label=None)
    '<td class="n">&lt;3</td>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>" if name in VOID else f"<{name}{given}>{join(children)}</{name}>")


def table(
    caption: str, header: Iterable[object], rows: Iterable[Iterable[object]], *, class_: str | None = None
) -> Html:
    """A table that scrolls sideways where it must; the first cell of each row is its heading."""
    head = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in header)))
    body = tag("tbody", *(table_row(row) for row in rows))
    whole = tag("table", tag("caption", caption), head, body, class_=class_)
    return scrolling(caption, whole)


def scrolling(label: str, content: object, *, class_: str = "") -> Html:
    """Content that may be wider than the page: it scrolls inside itself, also by keyboard."""
    return tag("div", content, class_=f"scroll {class_}".strip(), role="region", tabindex=0, aria_label=label)


def table_row(cells: Iterable[object], *, class_: str | None = None) -> Html:
    """One row of a table; the first cell is its heading."""
    first, *others = cells
    return tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in others), class_=class_)


def folded(summary: object, *children: object) -> Html:
    """Content that opens when its summary is clicked, without any script."""
    return tag("details", tag("summary", summary), *children)
