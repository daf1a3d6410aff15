"""Web pages: their main text, their characters, and what they say about themselves."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tunesmith.core.record import Record
from tunesmith.data.files import File
from tunesmith.data.sources._pages import BIGGEST, DEEPEST, decode, iso_date, page
from tunesmith.data.sources.html import html

SENTENCE = "The river rose in the night, and by morning the lower road was under water from the mill to the bridge."
STORY = [
    f"{number}. {SENTENCE} Nobody had seen it stand so high in all these {number} years." for number in range(40, 48)
]
PAGE = f"""<!doctype html>
<html lang="en-GB"><head><title>High  water</title>
<meta charset="utf-8"><meta name="author" content="Ann Other"><meta name="date" content="2021-03-04T05:06:07Z">
<link rel="canonical" href="https://example.org/water"></head>
<body><nav><ul><li><a href="/">Home</a></li><li><a href="/sport">Sport</a></li></ul></nav>
<article><h1>High water</h1>{"".join(f"<p>{line}</p>" for line in STORY)}</article>
<footer><a rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/">terms</a> Subscribe to us</footer>
</body></html>"""


def rows_of(folder: Path, content: bytes, name: str = "page.html", **options: str) -> list[Record]:
    (folder / name).write_bytes(content)
    return list(html(File(str(folder / name), name), **options))  # type: ignore[arg-type]  # modes as text


def error_of(folder: Path, content: bytes, **options: str) -> str:
    (row,) = rows_of(folder, content, **options)
    entry = row["quarantine"]
    assert isinstance(entry, dict)
    assert entry["uri"] == "page.html"
    assert entry["raw"] == content[: 1 << 16]
    return str(entry["error"])


@pytest.mark.parametrize("mode", ["quality", "fast"])
def test_a_page_is_its_main_text_without_the_menu(tmp_path: Path, mode: str) -> None:
    (row,) = rows_of(tmp_path, PAGE.encode(), mode=mode)
    text = str(row["text"])
    assert all(line in text for line in STORY)
    assert "Sport" not in text


def test_a_page_says_its_title_language_author_date_and_licence(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, PAGE.encode())
    assert row["date"] == "2021-03-04T05:06:07+00:00"
    assert row["license"] == "CC-BY-SA-4.0"
    assert row["meta"] == {
        "title": "High water", "language": "en-GB", "author": "Ann Other", "canonical": "https://example.org/water",
        "license_url": "https://creativecommons.org/licenses/by-sa/4.0/", "encoding": "utf-8", "mode": "quality",
    }  # fmt: skip


def test_json_ld_says_it_where_meta_elements_do_not() -> None:
    data = '{"@graph": [{"datePublished": "2020-02-03", "author": [{"name": "Ann"}, {"name": "Bob"}], "license": 7}]}'
    found = page(f'<script type="application/ld+json">{data}</script><p>{SENTENCE}</p>'.encode(), "fast")
    meta = found["meta"]
    assert isinstance(meta, dict)
    assert (found["date"], meta["author"], found["license"]) == ("2020-02-03", "Ann, Bob", None)


def test_a_link_to_a_licence_of_something_else_is_no_licence_of_the_page() -> None:
    by, zero = ("https://creativecommons.org/" + path for path in ("licenses/by/4.0/", "publicdomain/zero/1.0/"))
    photo = page(f'<p>{SENTENCE}</p><p>Photo: <a href="{by}">CC BY</a></p>'.encode(), "fast")
    several = page(
        f'<p>{SENTENCE}</p><a rel="license" href="{by}">1</a><a rel="license" href="{zero}">2</a>'.encode(), "fast"
    )
    assert photo["license"] is None
    assert several["license"] is None


def test_a_date_that_could_be_two_days_is_none() -> None:
    assert [iso_date(text) for text in ("2021-03-04", "04/03/2021", "yesterday", None)] == [
        "2021-03-04",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("raw", "declared", "encoding"),
    [
        ("Grüße".encode(), "iso-8859-1", "utf-8"),  # what is UTF-8 is UTF-8, whatever is said
        ("Grüße".encode("cp1252"), "iso-8859-1", "cp1252"),
        ("<meta charset='windows-1251'>Привет".encode("cp1251"), None, "cp1251"),
        ("<?xml version='1.0' encoding='koi8-r'?><p>Привет".encode("koi8-r"), None, "koi8-r"),
        ("<meta charset=gb2312>你好，世界".encode("gb18030"), None, "gb18030"),
        ("<meta charset=x-sjis>こんにちは①".encode("cp932"), "nonsense", "cp932"),
        ("<meta charset=iso-2022-jp>こんにちは".encode("iso2022_jp"), None, "iso2022_jp"),
        ("\ufeffGrüße".encode(), "koi8-r", "utf-8"),
        ("\ufeffGrüße".encode("utf-16-le"), None, "utf-16-le"),
        ("\ufeffGrüße".encode("utf-16-be"), None, "utf-16-be"),
        ("<p>Grüße aus Köln".encode("utf-16-be"), "utf-16", "utf-16-be"),
        ("Ελληνικά είναι η γλώσσα αυτής της σελίδας, και όχι άλλη.".encode("iso8859-7"), None, "iso8859-7"),
    ],
)
def test_characters_are_read_in_the_encoding_that_fits(raw: bytes, declared: str | None, encoding: str) -> None:
    found = decode(raw, declared)
    assert (found.encoding, found.undecodable) == (encoding, 0)
    assert found.text.encode(encoding) in raw


def test_a_cut_character_does_not_make_a_utf8_page_another_encoding() -> None:
    raw = b"<meta charset=iso-8859-1>" + "Größe, Länge und Maße in Fuß, so groß wie früher. ".encode() * 5 + b"\xc3"
    assert (decode(raw).encoding, decode(raw).undecodable) == ("utf-8", 1)


def test_pages_without_main_text_are_quarantined_or_kept_empty_if_asked(tmp_path: Path) -> None:
    bare = b"<html><head><title>App</title></head><body><script>run()</script></body></html>"
    assert error_of(tmp_path, bare) == "no main text in the page"
    assert error_of(tmp_path, bare, mode="fast") == "no main text in the page"
    assert [row["text"] for row in rows_of(tmp_path, bare, empty="keep")] == [""]
    assert error_of(tmp_path, b"") == "the page is empty"


def test_pages_that_are_too_much_to_read_are_quarantined(tmp_path: Path) -> None:
    assert "more than 2,000 are not read" in error_of(tmp_path, b"<div>" * (DEEPEST + 1) + b"deep")
    assert "more than 20,000,000 are not read" in error_of(tmp_path, b" " * BIGGEST + b"<p>long</p>")


def test_a_cut_gzip_page_is_quarantined(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, gzip.compress(PAGE.encode())[:-40], "page.html.gz")
    entry = row["quarantine"]
    assert isinstance(entry, dict)
    assert "cut or damaged" in str(entry["error"])
    assert [row["text"] for row in rows_of(tmp_path, gzip.compress(PAGE.encode()), "whole.html.gz")] == [
        row["text"] for row in rows_of(tmp_path, PAGE.encode())
    ]


@pytest.mark.parametrize("mode", ["quality", "fast"])
@pytest.mark.parametrize(
    "content",
    [b"\x00\x01\x02", b"just text", b"<p>a\x00b&#xD800;&#0;c</p>" * 40, b"<" * 5000, b"<!--", b"<table><tr><td>" * 300,
     PAGE.encode()[:700], PAGE.replace("<", "< ").encode(), PAGE.encode("utf-16"), b"<a href='" * 999, b"</p>" * 5000],
)  # fmt: skip
def test_a_broken_page_is_a_document_or_quarantined_and_never_stops_the_run(
    tmp_path: Path, content: bytes, mode: str
) -> None:
    (row,) = rows_of(tmp_path, content, mode=mode)
    assert ("quarantine" in row) != bool(row.get("text"))
    str(row.get("text")).encode()  # no half characters


def test_the_same_page_gives_the_same_text_whatever_was_read_before(tmp_path: Path) -> None:
    first = rows_of(tmp_path, PAGE.encode())
    rows_of(tmp_path, PAGE.replace("river", "sea").encode(), "other.html")
    assert rows_of(tmp_path, PAGE.encode()) == first


def test_real_pages_of_the_benchmark_and_of_books_all_give_text() -> None:
    if "TUNESMITH_DATA" not in os.environ:
        pytest.skip("TUNESMITH_DATA does not name the folder of real data sets")
    data = Path(os.environ["TUNESMITH_DATA"])
    pages = sorted((data / "article_extraction" / "html").glob("*.gz"))[:12]
    chapters = sorted((data / "ebooks").rglob("chapter-*.xhtml.gz"))[::40]
    assert pages
    assert chapters
    for path in [*pages, *chapters]:
        (row,) = html(File(str(path), path.name))
        assert len(str(row["text"])) > 400
