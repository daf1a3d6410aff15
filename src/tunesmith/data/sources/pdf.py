"""PDF files: the text layer, a document a file or a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import pypdfium2 as pdfium
from pypdfium2 import raw as flags

from tunesmith.core.record import Record
from tunesmith.data.files import File
from tunesmith.data.sources._whole import HEAD, content, quarantined

VERSION = 1
USES = ("pypdfium2",)  # their versions are part of the KEY
SUFFIXES = (".pdf",)
REMEDIES = {
    flags.FPDF_ERR_PASSWORD: "encrypted with a password: save a copy without it, for example with `qpdf --decrypt`",
    flags.FPDF_ERR_SECURITY: "encrypted in a way that cannot be opened: save a copy without it",
}
DAMAGED = "damaged, or no PDF: open it and save it anew, or fetch it again"
NO_TEXT = "no text layer, only images: run text recognition over it first, for example with `ocrmypdf`"
BLANK = "no text at all, and no images to recognise any in"
# A hyphen that ends a line, or the mark that PDFium leaves in place of the hyphen and the line's end.
_BROKEN = re.compile(r"(\w*[^\W\d_])(?:[\ufffe\x02]|[-\u2010\u00ad][ \t]*\n)[ \t]*\n?[ \t]*(\w+)")
_WITH_HYPHEN = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+")
_DATE = re.compile(r"D?:?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-]\d\d)'?(\d\d)?)?")


def pdf(file: File, *, unit: Literal["file", "page"] = "file") -> Iterator[Record]:
    """One document for each PDF file, or for each page, from its text layer, with words broken at line ends rejoined.

    Title, author, pages and date come along. Quarantined, with what to do: files that are encrypted or damaged or have
    no text layer (with `unit: page`, each such page); a page that is blank is no row. Lines stay as they are printed.
    """
    written = b""
    try:
        written = content(file)
        document = pdfium.PdfDocument(written)
    except ValueError as error:
        yield quarantined(file, error)
        return
    except pdfium.PdfiumError as error:
        yield quarantined(file, REMEDIES.get(error.err_code or 0, DAMAGED), written[:HEAD])
        return
    try:
        yield from _documents(file, document, unit)
    finally:
        document.close()


def _documents(file: File, document: pdfium.PdfDocument, unit: str) -> Iterator[Record]:
    facts, date = _facts(document)
    pages: list[str] = []
    without_text = 0
    for number in range(len(document)):
        try:
            text, images = _page(document, number)
        except pdfium.PdfiumError as error:
            yield quarantined(file, f"page {number + 1}: {error}")
            continue
        without_text += images and not text
        if unit == "file":
            pages.append(text)
        elif text:
            yield {"text": rejoined(text), "uri": file.uri, **date, "meta": {**facts, "page": number + 1}}
        elif images:
            yield quarantined(file, f"page {number + 1}: {NO_TEXT}")
    whole = rejoined("\n\n".join(page for page in pages if page))
    if whole:
        scanned = {"pages_without_text": without_text} if without_text else {}
        yield {"text": whole, "uri": file.uri, **date, "meta": {**facts, **scanned}}
    elif unit == "file" or not len(document):
        yield quarantined(file, NO_TEXT if without_text else BLANK)


def _page(document: pdfium.PdfDocument, number: int) -> tuple[str, bool]:
    """The text of a page, and whether there are images on it."""
    page = document[number]
    try:
        found = page.get_textpage()
        lines = found.get_text_range().replace("\r\n", "\n").replace("\r", "\n").split("\n")
        text = "\n".join(line.rstrip().replace("\0", "") for line in lines).strip("\n")
        images = bool(text) or any(page.get_objects(filter=[flags.FPDF_PAGEOBJ_IMAGE]))
        found.close()
        return text, images
    finally:
        page.close()


def rejoined(text: str) -> str:
    r"""A text without the hyphens that only break a word at the end of a line.

    The hyphen stays where the same words stand with it inside another line, and before a capital or a number.

    >>> rejoined("an exam-\nple of a well-\nknown, a well-known Franco-\nGerman case")
    'an example of a well-known, a well-known Franco-German case'
    """
    whole = {word.lower() for word in _WITH_HYPHEN.findall(text)}

    def join(match: re.Match[str]) -> str:
        left, right = match.groups()
        belongs = not right[0].islower() or f"{left}-{right}".lower() in whole
        return f"{left}-{right}" if belongs else left + right

    return _BROKEN.sub(join, text)


def _facts(document: pdfium.PdfDocument) -> tuple[dict[str, object], dict[str, str]]:
    given = document.get_metadata_dict(skip_empty=True)
    named = {name.lower(): given[name] for name in ("Title", "Author") if name in given}
    date = _date(given.get("CreationDate", ""))
    return {**named, "pages": len(document)}, ({"date": date} if date else {})


def _date(written: str) -> str | None:
    """The date of a PDF, D:20200131120000+01'00', as ISO 8601; None where it is none."""
    match = _DATE.match(written)
    if not match:
        return None
    year, month, day, hour, minute, second, utc, offset, offset_minutes = match.groups()
    zone = "+00:00" if utc else f"{offset}:{offset_minutes or '00'}" if offset else ""
    iso = f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone}"
    try:
        return datetime.fromisoformat(iso).isoformat()
    except ValueError:
        return None
