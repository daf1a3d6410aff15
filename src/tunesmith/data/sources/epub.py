"""EPUB books, a document a chapter or a book."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Iterator
from html.entities import html5
from typing import Literal
from urllib.parse import unquote
from zipfile import ZipFile

from lxml import etree

from tunesmith.core.record import Record
from tunesmith.data.files import File
from tunesmith.data.sources._licences import spdx
from tunesmith.data.sources._markup import parse_html, text_of
from tunesmith.data.sources._whole import ARCHIVE_ERRORS, HEAD, archive, content, part, quarantined, said

VERSION = 1
SUFFIXES = (".epub",)
ERRORS = (LookupError, etree.XMLSyntaxError, *ARCHIVE_ERRORS)  # LookupError: an encoding that nobody knows
CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
LISTS = ("toc", "landmarks", "page-list", "index")  # parts of a page that only point elsewhere
_ENCODING = re.compile(rb"^\s*<\?xml[^>]*?encoding=[\"']([\w.-]+)")
# what stands before a page's first element; entities that it declares are left as they are written
_PROLOGUE = re.compile(r"\A\s*(?:<\?xml[^>]*\?>)?\s*(?:<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>)?", re.DOTALL)
_ENTITY = re.compile(r"&(\w+);")
_TYPE = "{http://www.idpf.org/2007/ops}type"


def epub(file: File, *, unit: Literal["chapter", "book"] = "chapter") -> Iterator[Record]:
    """One document for each chapter of an EPUB book in reading order, or for each book; navigation is left out.

    Title, author and language come along, and the licence where `rights` names a known one; chapters of a book share
    their group. Quarantined: damaged or encrypted archives and chapters, and what would unpack to more than memory is
    good for. Chapters without text, such as a cover, are no rows.
    """
    packed = b""
    try:
        packed = content(file)
        book = archive(packed)
        folder, package = _package(book)
        locked = _locked(book)
    except ERRORS as error:
        yield quarantined(file, f"no readable EPUB: {said(error)}", packed[:HEAD])
        return
    facts = _facts(package)
    row = {"uri": file.uri, **_columns(file, facts)}
    texts: list[str] = []
    failed = False
    for number, name in enumerate(_spine(package, folder), start=1):
        text = _chapter(file, book, name, locked)
        if not isinstance(text, str):
            failed = True
            yield text
        elif text:
            texts.append(text)
            if unit == "chapter":
                yield {**row, "text": text, "meta": {**_meta(facts), "chapter": number, "part": name}}
    if unit == "book" and texts:
        yield {**row, "text": "\n\n".join(texts), "meta": {**_meta(facts), "chapters": len(texts)}}
    if not texts and not failed:
        yield quarantined(file, "no chapter of the book has text: a book of pictures, or damaged", packed[:HEAD])


def _chapter(file: File, book: ZipFile, name: str, locked: Container[str]) -> str | Record:
    """The text of a chapter, or the quarantine row that says why there is none."""
    if name in locked:
        return quarantined(file, f"{name} is encrypted: only a copy without protection can be read")
    try:
        return _text(part(book, name))
    except ERRORS as error:
        return quarantined(file, f"{name}: {said(error)}")


def _xml(written: bytes) -> etree._Element:
    """The tree of an XML part; nothing is fetched and no entity is expanded."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    return etree.fromstring(written, parser)


def _package(book: ZipFile) -> tuple[str, etree._Element]:
    """The folder and the tree of the package document, which says what the book is made of."""
    roots = _xml(part(book, CONTAINER)).xpath("//*[local-name()='rootfile']/@full-path")
    if not roots:
        raise ValueError(f"{CONTAINER} names no package document")
    return posixpath.dirname(str(roots[0])), _xml(part(book, str(roots[0])))


def _locked(book: ZipFile) -> frozenset[str]:
    """The parts that are encrypted; fonts usually are, in books whose text can be read."""
    if ENCRYPTION not in book.namelist():
        return frozenset()
    names = _xml(part(book, ENCRYPTION)).xpath("//*[local-name()='CipherReference']/@URI")
    return frozenset(unquote(str(name)) for name in names)


def _spine(package: etree._Element, folder: str) -> Iterator[str]:
    """The names of the pages in reading order, without the book's own table of contents."""
    items = {item.get("id"): item for item in package.xpath("//*[local-name()='manifest']/*[local-name()='item']")}
    for reference in package.xpath("//*[local-name()='spine']/*[local-name()='itemref']"):
        item = items.get(reference.get("idref"))
        if item is None:
            yield str(reference.get("idref"))  # reading it tells that it is missing
        elif item.get("media-type") in PAGES and "nav" not in (item.get("properties") or "").split():
            yield posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))


def _text(page: bytes) -> str:
    declared = _ENCODING.match(page[:200])
    written = page.decode(declared.group(1).decode() if declared else "utf-8-sig").removeprefix("\ufeff")
    tree = _tree(written)
    if tree is None:
        return ""
    for element in tree.xpath("//*[@*[local-name()='type']]"):
        if set((element.get(_TYPE) or element.get("epub:type") or "").split()) & set(LISTS):
            element.clear(keep_tail=True)
    return text_of(tree)


def _tree(written: str) -> etree._Element | None:
    """The tree of a page: as XML, so that <title/> is empty, or where it is not well-formed as browsers read HTML."""
    named = _ENTITY.sub(_sign, _PROLOGUE.sub("", written))
    try:
        return _xml(named.encode())
    except etree.XMLSyntaxError:
        return parse_html(named)


def _sign(match: re.Match[str]) -> str:
    """The sign that a name of HTML stands for; what XML itself reads, or nobody, stays."""
    sign = html5.get(f"{match.group(1)};", "&")
    return match.group(0) if sign in "&<>\"'" else sign


def _facts(package: etree._Element) -> dict[str, list[str]]:
    """The values of the Dublin Core elements that a book gives."""
    found: dict[str, list[str]] = {}
    for element in package.xpath("//*[namespace-uri()='http://purl.org/dc/elements/1.1/']"):
        if text := " ".join("".join(element.itertext()).split()):
            found.setdefault(etree.QName(element).localname, []).append(text)
    return found


def _meta(facts: dict[str, list[str]]) -> dict[str, object]:
    named = {"title": facts.get("title", [])[:1], "language": facts.get("language", [])[:1]}
    joined = {"author": facts.get("creator", []), "rights": facts.get("rights", [])}
    return {name: ", ".join(values) for name, values in {**named, **joined}.items() if values}


def _columns(file: File, facts: dict[str, list[str]]) -> dict[str, object]:
    licence = spdx(" ".join(facts.get("rights", [])))
    dates = [date for date in facts.get("date", []) if re.match(r"\d{4}", date)]
    group = (facts.get("identifier") or [file.uri])[0]
    return {"group": group, **({"license": licence} if licence else {}), **({"date": dates[0]} if dates else {})}
