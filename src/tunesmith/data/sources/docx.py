"""Word documents (.docx): one document a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from zipfile import ZipFile

from docx import Document
from docx.document import Document as Opened
from docx.opc.exceptions import OpcError
from lxml import etree

from tunesmith.core.record import Record
from tunesmith.data.files import File
from tunesmith.data.sources._whole import ARCHIVE_ERRORS, HEAD, archive, content, part, quarantined, said

VERSION = 1
USES = ("python-docx",)  # their versions are part of the KEY
SUFFIXES = (".docx",)
UNCHECKED = (
    AttributeError,
    IndexError,
    TypeError,
)  # python-docx runs into these where parts are not what they should be
ERRORS = (OpcError, etree.XMLSyntaxError, *UNCHECKED, *ARCHIVE_ERRORS)
OLD_OR_LOCKED = bytes.fromhex("d0cf11e0a1b11ae1")  # what files of Word before 2007 and encrypted ones begin with
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_OLD_COPY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
SIGNS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
NO_TEXT = frozenset({f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", f"{_W}sectPr", f"{_W}sdtPr", _OLD_COPY})
NOTES = ("footnotes", "endnotes")

Block = tuple[str, bool]  # text, and whether it belongs right below the line before, as items and rows do


def docx(file: File) -> Iterator[Record]:
    """One document for each Word file: paragraphs, headings, lists, tables and notes in the order they stand in.

    Cells of a table are parted by tabs, items of lists begin with a hyphen. Title, author, language and date come
    along. Headers, footers, comments and deleted text are left out. Damaged files, and those with a password, are
    quarantined.
    """
    packed = b""
    try:
        packed = content(file)
        opened = archive(packed)
        for name in opened.namelist():
            if name.endswith((".xml", ".rels")):
                part(opened, name)  # raises if one is damaged or too big, before all are unpacked together
        document = Document(io.BytesIO(packed))
        text = _text([*_blocks(document.element.body, document), *_notes(document)])
    except ERRORS as error:
        yield quarantined(file, _problem(packed, error), packed[:HEAD])
        return
    if not text:
        yield quarantined(file, "the document has no text", packed[:HEAD])
        return
    yield {"text": text, "uri": file.uri, **_facts(document, opened)}


def _facts(document: Opened, opened: ZipFile) -> dict[str, object]:
    """What the file says about itself; nothing where that part is missing (python-docx makes one up) or damaged."""
    if "docProps/core.xml" not in opened.namelist():
        return {"meta": {}}
    try:
        about = document.core_properties
        facts = {"title": about.title, "author": about.author, "language": about.language}
        date = {"date": about.created.isoformat()} if about.created else {}
    except ERRORS:
        return {"meta": {}}
    return {**date, "meta": {name: value for name, value in facts.items() if value}}


def _problem(packed: bytes, error: Exception) -> str:
    if packed.startswith(OLD_OR_LOCKED):
        return "not .docx: of Word before 2007, or with a password; save it as .docx without one"
    return f"no readable .docx: {said(error)}"


def _text(blocks: list[Block]) -> str:
    written: list[str] = []
    before = False
    for text, closed_up in blocks:
        gap = "\n" if closed_up and before else "\n\n"
        written += [gap if written else "", text]
        before = closed_up
    return "".join(written)


def _blocks(parent: etree._Element, document: Opened) -> Iterator[Block]:
    for child in parent:
        if child.tag == f"{_W}p":
            if text := _inline(child).strip("\n"):
                mark = _mark(child, document)
                yield mark + text, bool(mark)
        elif child.tag == f"{_W}tbl":
            yield "\n".join(_rows(child)), False
        elif child.tag not in NO_TEXT:  # content controls and other wrappers
            yield from _blocks(child, document)


def _inline(element: etree._Element) -> str:
    return "".join(_pieces(element)).replace("\xa0", " ").rstrip()


def _pieces(element: etree._Element) -> Iterator[str]:
    for child in element:
        if child.tag in (f"{_W}t", _MATH_TEXT):
            yield child.text or ""
        elif child.tag in SIGNS:
            yield SIGNS[child.tag]
        elif child.tag == f"{_W}p":  # of a text box
            yield f"\n{_inline(child)}\n"
        elif child.tag not in NO_TEXT:
            yield from _pieces(child)


def _mark(paragraph: etree._Element, document: Opened) -> str:
    """The hyphen of an item of a list, indented by its level; nothing for other paragraphs."""
    style = paragraph.style
    level = paragraph.find(f"{_W}pPr/{_W}numPr/{_W}ilvl")
    in_list = paragraph.find(f"{_W}pPr/{_W}numPr") is not None
    if not in_list and style:
        named = document.styles.element.get_by_id(style)
        in_list = named is not None and named.find(f"{_W}pPr/{_W}numPr") is not None
    depth = int(level.get(f"{_W}val", "0")) if level is not None else 0
    return "  " * depth + "- " if in_list else ""


def _rows(table: etree._Element) -> Iterator[str]:
    for row in table.iter(f"{_W}tr"):
        if next(row.iterancestors(f"{_W}tbl")) is table:
            own = [cell for cell in row.iter(f"{_W}tc") if next(cell.iterancestors(f"{_W}tr")) is row]
            yield "".join(_cell(cell) + "\t" * _width(cell) for cell in own).rstrip("\t")


def _width(cell: etree._Element) -> int:
    """How many columns a cell spans, so that those after it keep their place."""
    span = cell.find(f"{_W}tcPr/{_W}gridSpan")
    return int(span.get(f"{_W}val", "1")) if span is not None else 1


def _cell(cell: etree._Element) -> str:
    """A cell on one line; tables inside it come as its words."""
    return " ".join(" ".join(_inline(paragraph).split()) for paragraph in cell.iter(f"{_W}p")).strip()


def _notes(document: Opened) -> Iterator[Block]:
    for related in sorted(document.part.rels.values(), key=lambda related: related.reltype):
        if not related.is_external and related.reltype.rpartition("/")[2] in NOTES:
            tree = etree.fromstring(related.target_part.blob, etree.XMLParser(resolve_entities=False, no_network=True))
            for note in tree:
                if note.get(f"{_W}type") is None and (text := _cell(note)):  # others are the lines above notes
                    yield text, False
