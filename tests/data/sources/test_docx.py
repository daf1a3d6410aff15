"""Word documents: everything in its order, tables included, and what cannot be read."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from docx import Document
from docx.oxml import parse_xml

from tunesmith.data.files import File
from tunesmith.data.sources import _whole
from tunesmith.data.sources.docx import docx

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def report() -> bytes:
    document = Document()
    about = document.core_properties
    about.title, about.author, about.created = "Report", "A. Writer", datetime(2020, 1, 31, 12, tzinfo=UTC)
    document.add_heading("Results", 1)
    document.add_paragraph("Before\tthe table.")
    table = document.add_table(2, 3)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
    table.cell(0, 2).text = "narrow"
    table.cell(1, 0).text = "a"
    table.cell(1, 1).text = "two\nlines"
    table.cell(1, 2).add_table(1, 2).cell(0, 1).text = "inner"
    document.add_paragraph("After it.")
    document.add_paragraph("bread", style="List Bullet")
    document.add_paragraph("rope", style="List Number")
    return saved(document)


def saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)  # type: ignore[attr-defined]
    return out.getvalue()


def file_of(folder: Path, content: bytes) -> File:
    (folder / "report.docx").write_bytes(content)
    return File(str(folder / "report.docx"), "report.docx")


def with_body(*elements: str) -> bytes:
    document = Document()
    body = document.element.body
    for element in reversed(elements):
        body.insert(0, parse_xml(element.replace(">", f" {W}>", 1)))
    return saved(document)


def test_a_document_comes_in_order_with_its_tables_lists_and_facts(tmp_path: Path) -> None:
    [row] = docx(file_of(tmp_path, report()))
    assert row["text"] == (
        "Results\n\nBefore\tthe table.\n\nwide\t\tnarrow\na\ttwo lines\tinner\n\nAfter it.\n\n- bread\n- rope"
    )
    assert row["meta"] == {"title": "Report", "author": "A. Writer"}
    assert (row["uri"], row["date"]) == ("report.docx", "2020-01-31T12:00:00+00:00")


def test_text_in_controls_insertions_and_boxes_stays_and_deleted_text_goes(tmp_path: Path) -> None:
    content = with_body(
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>",
        "<w:p><w:ins><w:r><w:t>new </w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
        "<w:r><w:t>self</w:t><w:noBreakHyphen/><w:t>made</w:t><w:br/><w:t>line</w:t></w:r></w:p>",
    )
    [row] = docx(file_of(tmp_path, content))
    assert row["text"] == "controlled\n\nnew self-made\nline"


def test_a_document_without_facts_about_itself_has_none_made_up(tmp_path: Path) -> None:
    out = io.BytesIO()
    with ZipFile(io.BytesIO(report())) as whole, ZipFile(out, "w") as less:
        for name in whole.namelist():
            content = whole.read(name).replace(b"docProps/core.xml", b"docProps/none.xml")
            less.writestr(name.replace("core.xml", "none.xml"), b"<a/>" if name == "docProps/core.xml" else content)
    [row] = docx(file_of(tmp_path, out.getvalue()))
    assert row["meta"] == {}
    assert "date" not in row


def test_what_unpacks_to_too_much_is_quarantined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_whole, "PART_BYTES", 100)
    [row] = docx(file_of(tmp_path, report()))
    assert "bytes, more than 100" in row["quarantine"]["error"]  # type: ignore[index]


def damaged() -> bytes:
    content = bytearray(report())
    place = content.index(b"word/document.xml")
    content[place + 100 : place + 140] = bytes(40)
    return bytes(content)


def only(name: str) -> bytes:
    """An archive with one part, which holds nothing that Word would write."""
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(name, "<a/>")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"words", "no readable .docx: File is not a zip file"),
        (damaged(), "no readable .docx: "),
        (only("a.xml"), "no readable .docx: "),
        (only("_rels/.rels"), "no readable .docx: "),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"old", "of Word before 2007, or with a password"),
        (saved(Document()), "the document has no text"),
    ],
)
def test_what_cannot_be_read_is_quarantined(tmp_path: Path, content: bytes, problem: str) -> None:
    [row] = docx(file_of(tmp_path, content))
    assert problem in row["quarantine"]["error"]  # type: ignore[index]
    assert row["quarantine"]["raw"] == content[:1000]  # type: ignore[index]
