"""PDF files, written by hand: text, pages, facts about the file, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.data.files import File
from tunesmith.data.sources.pdf import pdf

IMAGE = b"q 100 0 0 100 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \xff EI Q"


def pdf_bytes(*pages: bytes, info: str = "", trailer: str = "") -> bytes:
    """A PDF with these page contents: the fewest objects that make one."""
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< {info} >>".encode(),
    ]
    for number, content in enumerate(pages):
        resources = "/Resources << /Font << /F1 3 0 R >> >>"
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] {resources} /Contents {6 + 2 * number} 0 R >>"
        objects += [page.encode(), b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)]
    written, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n"
    facts = f"<< /Size {len(objects) + 1} /Root 1 0 R /Info 4 0 R {trailer} >>\nstartxref\n{len(written)}\n%%EOF\n"
    return written + (end + facts).encode()


def lines_of(*lines: str) -> bytes:
    shown = " ".join(f"({line}) Tj 0 -20 Td" for line in lines)
    return f"BT /F1 12 Tf 20 250 Td {shown} ET".encode("latin-1")


def file_of(folder: Path, content: bytes) -> File:
    (folder / "paper.pdf").write_bytes(content)
    return File(str(folder / "paper.pdf"), "papers/paper.pdf")


INFO = "/Title (On Bridges) /Author (A. Mason) /CreationDate (D:20200131120000+01'00')"


def test_a_file_is_one_document_with_its_title_author_pages_and_date(tmp_path: Path) -> None:
    file = file_of(tmp_path, pdf_bytes(lines_of("One bridge", "of stone."), lines_of("Two."), info=INFO))
    assert list(pdf(file)) == [
        {
            "text": "One bridge\nof stone.\n\nTwo.",
            "uri": "papers/paper.pdf",
            "date": "2020-01-31T12:00:00+01:00",
            "meta": {"title": "On Bridges", "author": "A. Mason", "pages": 2},
        }
    ]


def test_a_page_is_a_document_of_its_own_where_asked_for(tmp_path: Path) -> None:
    file = file_of(tmp_path, pdf_bytes(lines_of("One."), b"", lines_of("Three.")))
    rows = list(pdf(file, unit="page"))
    assert [(row["text"], row["meta"]) for row in rows] == [
        ("One.", {"pages": 3, "page": 1}),
        ("Three.", {"pages": 3, "page": 3}),
    ]


def test_words_broken_at_the_end_of_a_line_are_whole_again(tmp_path: Path) -> None:
    content = lines_of("a long exam-", "ple of the well-known, well-", "known Anglo-", "Saxon way")
    [row] = pdf(file_of(tmp_path, pdf_bytes(content)))
    assert "".join(str(row["text"]).split("\n")) == "a long example of the well-known, well-known Anglo-Saxon way"


def test_pages_that_are_only_images_say_what_to_do(tmp_path: Path) -> None:
    [row] = pdf(file_of(tmp_path, pdf_bytes(IMAGE, IMAGE)))
    assert "no text layer" in row["quarantine"]["error"]  # type: ignore[index]
    assert "text recognition" in row["quarantine"]["error"]  # type: ignore[index]
    file = file_of(tmp_path, pdf_bytes(lines_of("A caption."), IMAGE))
    [row] = pdf(file)
    assert row["meta"] == {"pages": 2, "pages_without_text": 1}
    first, second = pdf(file, unit="page")
    assert first["text"] == "A caption."
    assert str(second["quarantine"]["error"]).startswith("page 2: no text layer")  # type: ignore[index]


def test_a_blank_file_is_quarantined(tmp_path: Path) -> None:
    [row] = pdf(file_of(tmp_path, pdf_bytes(b"")))
    assert "no text at all" in row["quarantine"]["error"]  # type: ignore[index]


def test_an_encrypted_file_says_how_to_open_it(tmp_path: Path) -> None:
    lock = "/Filter /Standard /V 1 /R 2 /P -4 " + f"/O <{'41' * 32}> /U <{'42' * 32}>"
    content = pdf_bytes(lines_of("secret"), trailer=f"/ID [<00> <00>] /Encrypt << {lock} >>")
    [row] = pdf(file_of(tmp_path, content))
    assert "encrypted with a password" in row["quarantine"]["error"]  # type: ignore[index]
    assert row["quarantine"]["raw"] == content[:1000]  # type: ignore[index]


@pytest.mark.parametrize(("content", "problem"), [(b"", "the file is empty"), (b"%PDF-1.4\nnothing", "damaged")])
def test_what_is_no_pdf_is_quarantined(tmp_path: Path, content: bytes, problem: str) -> None:
    [row] = pdf(file_of(tmp_path, content))
    assert problem in row["quarantine"]["error"]  # type: ignore[index]


def test_a_date_that_is_none_is_left_out(tmp_path: Path) -> None:
    for date in ("D:20201331", "yesterday"):
        [row] = pdf(file_of(tmp_path, pdf_bytes(lines_of("x"), info=f"/CreationDate ({date})")))
        assert "date" not in row
