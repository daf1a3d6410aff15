"""EPUB books: chapters in reading order, facts about the book, and what cannot be read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from tunesmith.data.files import File
from tunesmith.data.sources import _whole
from tunesmith.data.sources.epub import epub

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf"/></rootfiles></container>'
)
PACKAGE = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>The Two Hills</dc:title><dc:creator>A. Climber</dc:creator><dc:creator>B. Guide</dc:creator>
<dc:language>en</dc:language><dc:identifier>urn:x:1</dc:identifier><dc:date>1901-02-03</dc:date>
<dc:rights>{rights}</dc:rights></metadata>
<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="two" href="text/two.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/one%20.xhtml" media-type="application/xhtml+xml"/>
<item id="cover" href="cover.svg" media-type="image/svg+xml"/></manifest>
<spine><itemref idref="cover"/><itemref idref="nav"/><itemref idref="one"/><itemref idref="two"/>{more}</spine>
</package>"""
PAGE = (
    '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml" '
    'xmlns:epub="http://www.idpf.org/2007/ops"><head><title/></head><body>{}</body></html>'
)
ONE = PAGE.format(
    '<nav epub:type="toc"><p>Go to</p></nav><section epub:type="landmarks"><p>Start</p></section>'
    "<h1>One</h1><p>Up&nbsp;the <i>hill</i> &mdash; &amp; down.</p><ul><li>rope</li><li>bread</li></ul>"
)
TWO = PAGE.format("<h1>Two</h1><table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table>")


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return out.getvalue()


def book_of(folder: Path, *, rights: str = "", more: str = "", **parts: str | bytes | None) -> File:
    """A book of two chapters; `one=` and `two=` replace them, None leaves one out."""
    whole = {
        "META-INF/container.xml": CONTAINER,
        "OPS/book.opf": PACKAGE.format(rights=rights, more=more),
        "OPS/nav.xhtml": PAGE.format("<p>contents</p>"),
        "OPS/text/one .xhtml": parts.pop("one", ONE),
        "OPS/text/two.xhtml": parts.pop("two", TWO),
        **parts,
    }
    return file_of(folder, packed({name: part for name, part in whole.items() if part is not None}))


def file_of(folder: Path, content: bytes) -> File:
    (folder / "hills.epub").write_bytes(content)
    return File(str(folder / "hills.epub"), "books/hills.epub")


def error_of(row: Mapping[str, object]) -> str:
    entry = row["quarantine"]
    assert isinstance(entry, dict)
    assert entry["uri"] == "books/hills.epub"
    return str(entry["error"])


def test_chapters_come_in_reading_order_without_navigation(tmp_path: Path) -> None:
    first, second = epub(book_of(tmp_path))
    assert first["text"] == "One\n\nUp the hill — & down.\n\n- rope\n- bread"
    assert second["text"] == "Two\n\na\tb\n1\t2"
    assert first["meta"] == {
        "title": "The Two Hills", "language": "en", "author": "A. Climber, B. Guide", "chapter": 1,
        "part": "OPS/text/one .xhtml",
    }  # fmt: skip
    assert (first["group"], first["date"]) == ("urn:x:1", "1901-02-03")
    assert "license" not in first


def test_a_book_is_one_document_where_asked_for(tmp_path: Path) -> None:
    [row] = epub(book_of(tmp_path), unit="book")
    assert str(row["text"]).endswith("- bread\n\nTwo\n\na\tb\n1\t2")
    assert row["meta"]["chapters"] == 2  # type: ignore[index]


def test_rights_that_name_a_licence_become_it(tmp_path: Path) -> None:
    rights = "Free under creativecommons.org/licenses/by-sa/4.0/"
    assert {row["license"] for row in epub(book_of(tmp_path, rights=rights))} == {"CC-BY-SA-4.0"}


def test_a_damaged_or_missing_chapter_costs_only_itself(tmp_path: Path) -> None:
    bad, good = epub(book_of(tmp_path, one=None))
    assert "There is no item named 'OPS/text/one .xhtml'" in error_of(bad)
    assert str(good["text"]).startswith("Two")
    rows = list(epub(book_of(tmp_path, more='<itemref idref="three"/>'), unit="book"))
    assert "'three'" in error_of(rows[0])
    assert rows[1]["meta"]["chapters"] == 2  # type: ignore[index]
    bad, good = epub(book_of(tmp_path, one=PAGE.format("caf\xe9").encode("latin-1")))
    assert "can't decode byte 0xe9" in error_of(bad)


def test_a_chapter_in_another_encoding_or_not_well_formed_is_read(tmp_path: Path) -> None:
    latin = PAGE.replace("utf-8", "iso-8859-1").format("<p>caf\xe9</p>").encode("latin-1")
    first, second = epub(book_of(tmp_path, one=latin, two="<html><body><p>loose<br>ends & all</body></html>"))
    assert (first["text"], second["text"]) == ("café", "loose\nends & all")


def test_an_encrypted_chapter_says_so_and_encrypted_fonts_do_not_matter(tmp_path: Path) -> None:
    locked = "<encryption><CipherReference URI='OPS/text/two.xhtml'/><CipherReference URI='OPS/a.otf'/></encryption>"
    good, bad = epub(book_of(tmp_path, **{"META-INF/encryption.xml": locked}))
    assert str(good["text"]).startswith("One")
    assert "OPS/text/two.xhtml is encrypted" in error_of(bad)


def test_entities_are_neither_fetched_nor_multiplied(tmp_path: Path) -> None:
    bombs = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    doctype = f'<!DOCTYPE html [<!ENTITY e0 "lol"><!ENTITY file SYSTEM "file:///etc/passwd">{bombs}]>'
    page = PAGE.replace("<!DOCTYPE html>", doctype).format("<p>safe &e11;&file;</p>")
    first, _ = epub(book_of(tmp_path, one=page))
    assert first["text"] == "safe &e11;&file;"


def test_what_unpacks_to_too_much_is_quarantined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = book_of(tmp_path, one=PAGE.format("<p>" + "big " * 20_000 + "</p>"))
    monkeypatch.setattr(_whole, "PART_BYTES", 50_000)
    bad, _ = epub(file)
    assert "more than 50,000" in error_of(bad)
    monkeypatch.setattr(_whole, "ARCHIVE_BYTES", 60_000)
    [bad] = epub(file)
    assert "a bomb, or not what it seems" in error_of(bad)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04 and no more", "File is not a zip file"),
        (packed({"a.txt": "x"}), "There is no item named 'META-INF/container.xml'"),
        (packed({"META-INF/container.xml": "<container/>"}), "names no package document"),
        (packed({"META-INF/container.xml": "<container"}), "no readable EPUB"),
        (
            packed({"META-INF/container.xml": CONTAINER, "OPS/book.opf": "<package/>"}),
            "no chapter of the book has text",
        ),
    ],
)
def test_what_is_no_book_is_quarantined(tmp_path: Path, content: bytes, problem: str) -> None:
    [row] = epub(file_of(tmp_path, content))
    assert problem in error_of(row)
