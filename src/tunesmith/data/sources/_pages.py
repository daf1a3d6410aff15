"""What is in a web page: its characters, its main text, and what it says about itself. For html and warc."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Literal

import numpy as np
import trafilatura
from lxml.html import HtmlElement
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import DocumentNode, ElementNode, HTMLTree

from tunesmith.core.record import Record
from tunesmith.data.files import is_utf16
from tunesmith.data.sources._licences import spdx

Mode = Literal["quality", "fast"]
Empty = Literal["quarantine", "keep"]
BIGGEST = 20_000_000  # bytes of a page; trafilatura's own MAX_FILE_SIZE. Larger ones take minutes and are not prose
DEEPEST = 2000  # elements inside one another: browsers stop at 512, and the time to walk a tree grows with the square
UTF8_SHARE = 0.95  # of the characters beyond ASCII that must be UTF-8; other encodings do not come near by chance
MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))  # WHATWG, BOM sniff
# what browsers read under these names is more than Python's codecs of the same name do (WHATWG Encoding, 4.2)
WIDER = {"gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs"}
CHARSET = re.compile(
    rb"""<(?:meta\b[^>]{0,200}?\bcharset|\?xml\b[^>]{0,100}?\bencoding)\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE
)
CHARSET_BYTES = 4096  # a charset stands in the first 1,024 bytes, says HTML; four times that is what is seen

DATES = (
    "article:published_time", "og:article:published_time", "datepublished", "dcterms.issued", "dcterms.created",
    "dc.date.issued", "dcterms.date", "dc.date", "citation_publication_date", "pubdate", "publishdate", "date",
)  # fmt: skip
AUTHORS = ("author", "article:author", "dc.creator", "dcterms.creator", "citation_author")
LICENSES = ("dcterms.license", "dc.rights.uri", "dcterms.rights", "dc.rights", "copyright", "license")


@dataclass(frozen=True)
class Text:
    """The characters of a page, the encoding they were read in, and how many stand for bytes that it does not have."""

    text: str
    encoding: str
    undecodable: int


def decode(raw: bytes, declared: str | None = None) -> Text:
    """The characters of a page: by its byte order mark, as UTF-8 if it is that, else as declared, else as detected.

    >>> decode("<meta charset=windows-1251><p>Привет".encode("cp1251")).text
    '<meta charset=windows-1251><p>Привет'
    >>> decode("<meta charset=iso-8859-1><p>Größe".encode()).encoding
    'utf-8'
    """
    for mark, encoding in MARKS:
        if raw.startswith(mark):
            return _as(raw[len(mark) :], encoding)
    if is_utf16(raw):
        return _as(
            raw, "utf-16-le" if raw[1:CHARSET_BYTES:2].count(0) > raw[:CHARSET_BYTES:2].count(0) else "utf-16-be"
        )
    inside = CHARSET.search(raw, 0, CHARSET_BYTES)
    names = [declared, inside[1].decode("ascii", "replace") if inside else None]
    said = [known for name in names if name and (known := _known(name))]
    as_utf8 = _as(raw, "utf-8")
    if _is_utf8(as_utf8) and "iso2022_jp" not in said:  # which is ASCII to look at
        return as_utf8
    tried = [_as(raw, name) for name in dict.fromkeys([*said, _known(detect_encoding(raw) or "") or "cp1252"])]
    return next((text for text in tried if not text.undecodable), tried[0])


def _known(name: str) -> str | None:
    """The codec that browsers take for this name; none for UTF-16, since bytes that name it in ASCII are not it."""
    encoding = map_encoding_to_html5(name, fallback_utf8=False)
    return None if encoding is None or encoding.startswith("utf-16") else WIDER.get(encoding, encoding)


def _as(raw: bytes, encoding: str) -> Text:
    try:
        return Text(raw.decode(encoding), encoding, 0)
    except UnicodeDecodeError:
        text = raw.decode(encoding, "replace")
        return Text(text, encoding, text.count("\ufffd"))


def _is_utf8(found: Text) -> bool:
    if not found.undecodable:
        return True
    beyond_ascii = len(found.text) - len(found.text.encode("ascii", "ignore"))
    return found.undecodable <= (1 - UTF8_SHARE) * beyond_ascii


def page(raw: bytes, mode: Mode, *, declared: str | None = None, empty: Empty = "quarantine") -> Record:
    """A page as text, license, date and meta; or as an `error` where it has no main text or is too much to read."""
    if len(raw) > BIGGEST:
        return {"error": f"the page has {len(raw):,} bytes; more than {BIGGEST:,} are not read"}
    if not raw.strip():
        return {"error": "the page is empty"}
    decoded = decode(raw, declared)
    if (depth := most_depth(decoded.text)) > DEEPEST:
        return {
            "error": f"the page has about {depth:,} elements inside one another; more than {DEEPEST:,} are not read"
        }
    try:
        tree = HTMLTree.parse(decoded.text)
        facts = facts_of(tree)
        text = EXTRACT[mode](decoded.text, tree)
    except Exception as error:  # parsers of others, over arbitrary bytes: what they raise is the fault of this one page
        return {"error": f"the page cannot be parsed: {type(error).__name__}: {error}"}
    if empty == "quarantine" and (not text or text.isspace()):
        return {"error": "no main text in the page"}
    own = {"encoding": decoded.encoding, "undecodable": decoded.undecodable or None, "mode": mode}
    meta = {name: value for name, value in {**facts, **own}.items() if value and name not in ("license", "date")}
    return {"text": text, "license": facts.get("license"), "date": facts.get("date"), "meta": meta}


def most_depth(html: str) -> int:
    """How deep the elements of a page may be inside one another: no page is deeper, though most are less deep.

    >>> most_depth("<p>one <b>two</b></p>"), most_depth("<div>" * 5000)
    (2, 5000)
    """
    signs = np.frombuffer(html.encode("utf-8", "replace"), dtype=np.uint8)
    places = np.flatnonzero(signs[:-1] == ord("<")) + 1
    after = signs[places]
    steps = np.where(after == ord("/"), -1, ((after | 32) >= ord("a")) & ((after | 32) <= ord("z")))
    depth = np.cumsum(steps)  # below zero it begins anew: an end without a start closes nothing
    return int((depth - np.minimum(np.minimum.accumulate(depth), 0)).max(initial=0))


def _fast(html: str, tree: HTMLTree) -> str:
    # Without comments and the texts of images: F1 .915 -> .925 on 60 pages of the article extraction benchmark
    return extract_plain_text(tree, main_content=True, alt_texts=False, comments=False)


def _quality(html: str, tree: HTMLTree) -> str:
    """Trafilatura's main text: of three of its modes the one that agrees most with the others.

    Each mode alone now and then takes the wrong part of a page (bench/checks/extraction.py has their F1). Where the
    first two agree, that is all.
    """
    parsed = trafilatura.load_html(html)
    first = _trafilatura(parsed, favor_precision=True, fast=False)
    second = _trafilatura(parsed, favor_precision=True, fast=True)
    if first == second or parsed is None:
        return first
    return most_agreed([first, second, _trafilatura(parsed, favor_precision=False, fast=True)])


def _trafilatura(parsed: HtmlElement | None, *, favor_precision: bool, fast: bool) -> str:
    found = trafilatura.extract(parsed, favor_precision=favor_precision, fast=fast, include_comments=False)
    return found or ""


EXTRACT: Mapping[Mode, Callable[[str, HTMLTree], str]] = {"quality": _quality, "fast": _fast}


def most_agreed(texts: list[str]) -> str:
    """The text that shares most of its runs of four words with the other texts; the first of equals.

    >>> most_agreed(["menu", "one two three four five", "one two three four"])
    'one two three four five'
    """
    shingles = [frozenset(zip(*(words[i:] for i in range(4)), strict=False)) for words in map(str.split, texts)]
    agreed = [0.0] * len(texts)
    for one, two in combinations(range(len(texts)), 2):
        both = len(shingles[one]) + len(shingles[two])
        share = 2 * len(shingles[one] & shingles[two]) / both if both else 0.0
        agreed[one] += share
        agreed[two] += share
    return texts[agreed.index(max(agreed))]


def facts_of(tree: HTMLTree) -> dict[str, str]:
    """What a page says about itself: title, language, author, date, license (SPDX), license_url, canonical."""
    document = tree.document
    if document is None:
        return {}
    said = _said(document)
    root = document.query_selector("html")
    language = (root.getattr("lang") or root.getattr("xml:lang")) if root else None
    date = next((found for name in DATES if (found := iso_date(said.get(name)))), None)
    author = next((said[name] for name in AUTHORS if name in said and "://" not in said[name]), None)
    canonical = document.query_selector('link[rel="canonical"]')
    facts = {
        "title": " ".join((tree.title or "").split()),
        "language": (language or said.get("content-language") or "").strip(),
        "author": author,
        "date": date,
        "canonical": canonical.getattr("href") if canonical else None,
        **_license(document, said),
    }
    return {name: value for name, value in facts.items() if value}


def _all(document: DocumentNode, selector: str) -> list[ElementNode]:
    """The elements of a page that a CSS selector names. As a slice: its iterator takes time by the square."""
    return list(document.query_selector_all(selector)[:])


def _said(document: DocumentNode) -> dict[str, str]:
    """Name and content of the page's meta elements and, where those are silent, of its JSON-LD; first of each."""
    said: dict[str, str] = {}
    for element in _all(document, "meta"):
        name = next(
            (value for key in ("property", "name", "itemprop", "http-equiv") if (value := element.getattr(key))), ""
        )
        content = " ".join((element.getattr("content") or "").split())
        if name and content:
            said.setdefault(name.lower(), content)
    for script in _all(document, 'script[type="application/ld+json"]'):
        for thing in _things(script.text or ""):
            for name, key in (("datepublished", "datePublished"), ("author", "author"), ("license", "license")):
                if value := _plain(thing.get(key)):
                    said.setdefault(name, value)
    return said


def _things(text: str) -> Iterator[Mapping[str, object]]:
    """The objects at the top of a JSON-LD text and in its @graph; nothing where it is not JSON."""
    try:
        waiting = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    while waiting:
        thing = waiting.pop(0)
        if isinstance(thing, list):
            waiting = [*thing, *waiting]
        elif isinstance(thing, dict):
            yield thing
            waiting = [thing.get("@graph"), *waiting]


def _plain(value: object) -> str | None:
    """A JSON-LD value as text: itself, the name of a thing, or those of several."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_plain, value[:20]))) or None
    if isinstance(value, Mapping):
        value = value.get("name") or value.get("@id")
    return " ".join(value.split()) if isinstance(value, str) else None


def _license(document: DocumentNode, said: Mapping[str, str]) -> dict[str, str]:
    """The licence that a page declares for itself. Where it links to several, none is known to be that of the text."""
    links = _all(document, 'a[rel~="license"], link[rel~="license"]')
    urls = [link.getattr("href") or "" for link in links]
    urls += [said[name] for name in LICENSES if name in said]
    known = {url: name for url in urls if (name := spdx(url))}
    declared = next(iter(known), next((url for url in urls if "://" in url), ""))
    return {"license": next(iter(known.values())) if len(set(known.values())) == 1 else "", "license_url": declared}


def iso_date(text: str | None) -> str | None:
    """A date in ISO 8601; None for any other way to write one, since day and month cannot be told apart.

    >>> iso_date("2019-11-18T14:05:00Z"), iso_date("2021/03/04"), iso_date("3/4/2021")
    ('2019-11-18T14:05:00+00:00', '2021-03-04', None)
    """
    given = (text or "").strip()
    if re.fullmatch(r"\d{4}/\d\d/\d\d", given):
        given = given.replace("/", "-")
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        return None
    return found.date().isoformat() if len(given) <= 10 else found.isoformat()
