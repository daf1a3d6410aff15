"""The text of HTML and XHTML, with paragraphs, lists, tables and code kept apart as plain text keeps them."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent
from typing import Literal

from lxml import etree

SKIPPED = frozenset({"head", "iframe", "nav", "noscript", "rp", "rt", "script", "style", "svg", "template", "title"})
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
BOXES = ("address", "article", "aside", "body", "center", "div", "fieldset", "figure", "footer", "form", "header")
INNER = ("caption", "dd", "details", "dl", "dt", "figcaption", "hr", "main", "p", "section", "summary", "table")
PARAGRAPHS = frozenset({*HEADINGS, *BOXES, *INNER})

Part = tuple[Literal["text", "break", "line", "paragraph", "verbatim"], str]


def parse_html(content: str) -> etree._Element | None:
    """The tree of a page or fragment, however broken; None where nothing is in it."""
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True)
    try:
        return etree.fromstring(content.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:  # nothing, or nothing but comments
        return None


def html_text(content: str, *, fence: str = "", quote: str = "") -> str:
    """The text of a page or fragment as `text_of` writes it."""
    tree = parse_html(content)
    return "" if tree is None else text_of(tree, fence=fence, quote=quote)


def text_of(root: etree._Element, *, fence: str = "", quote: str = "") -> str:
    r"""The text below an element: a blank line between paragraphs, a line for each item of a list and row of a table.

    `fence` is a line put around preformatted text, whose first sign also goes around code inside a line; `quote` begins
    each line of a quotation. Cells are parted by tabs. Navigation, scripts and styles are no text.

    >>> html_text("<div><p>One\n line</p><ul><li>a<li>b</ul><pre>x  y\n</pre></div>", fence="```")
    'One line\n\n- a\n- b\n\n```\nx  y\n```'
    """
    written: list[str] = []
    gap = ""
    for kind, value in _parts(root, fence, quote):
        if kind == "text":
            gap = gap or (" " if value[0].isspace() else "")
            ends = value[-1].isspace()
            value = " ".join(value.split())
        elif kind != "verbatim":
            gap = _wider(gap, kind)
            continue
        else:
            ends = False
        if value:
            written += [gap if written else "", value]
            gap = " " if ends else ""
    return "".join(written)


def _wider(gap: str, kind: str) -> str:
    if kind == "paragraph" or gap == "\n\n" or (kind == "break" and gap == "\n"):
        return "\n\n"
    return "\n"


def _parts(element: etree._Element, fence: str, quote: str) -> list[Part]:
    parts: list[Part] = [("text", element.text)] if element.text else []
    for child in element:
        if isinstance(child.tag, str):  # else a comment, an instruction or an entity
            parts += _element(child, child.tag.rpartition("}")[2].lower(), fence, quote)
        if child.tail:
            parts.append(("text", child.tail))
    return parts


def _element(element: etree._Element, name: str, fence: str, quote: str) -> list[Part]:
    if name in SKIPPED:
        return []
    if name == "br":
        return [("break", "")]
    if name in BLOCKS:
        gap, write = BLOCKS[name]
        gap = "line" if _is_inner_list(element, name) else gap
        return [(gap, ""), ("verbatim", write(element, fence, quote)), (gap, "")]
    if name in PARAGRAPHS:
        return [("paragraph", ""), *_parts(element, fence, quote), ("paragraph", "")]
    if name == "code" and fence:
        return [("text", f"{fence[0]}{''.join(element.itertext())}{fence[0]}")]
    return _parts(element, fence, quote)


def _is_inner_list(element: etree._Element, name: str) -> bool:
    parent = element.getparent()
    return name in ("ol", "ul") and parent is not None and parent.tag.endswith("li")


def _preformatted(element: etree._Element, fence: str, quote: str) -> str:
    lines = "".join(element.itertext()).strip("\r\n").rstrip()
    return f"{fence}\n{lines}\n{fence}" if fence and lines else lines


def _quotation(element: etree._Element, fence: str, quote: str) -> str:
    lines = text_of(element, fence=fence, quote=quote).split("\n")
    return "\n".join((quote + line).rstrip() for line in lines)


def _list(element: etree._Element, fence: str, quote: str) -> str:
    numbered = element.tag.rpartition("}")[2].lower() == "ol"
    items = [child for child in element if isinstance(child.tag, str)]
    lines = []
    for number, item in enumerate(items, start=1):
        mark = f"{number}. " if numbered else "- "
        found = text_of(item, fence=fence, quote=quote)
        lines.append(mark + indent(found, " " * len(mark)).lstrip(" "))
    return "\n".join(lines)


def _row(element: etree._Element, fence: str, quote: str) -> str:
    cells = [text_of(cell, fence="", quote="") for cell in element if isinstance(cell.tag, str)]
    return "\t".join(" ".join(cell.split()) for cell in cells).rstrip("\t")


Gap = Literal["line", "paragraph"]
BLOCKS: dict[str, tuple[Gap, Callable[[etree._Element, str, str], str]]] = {
    "blockquote": ("paragraph", _quotation),
    "listing": ("paragraph", _preformatted),
    "ol": ("paragraph", _list),
    "pre": ("paragraph", _preformatted),
    "tr": ("line", _row),
    "ul": ("paragraph", _list),
}
