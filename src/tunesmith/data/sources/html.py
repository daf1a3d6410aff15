"""Web pages in files of their own: one document a page."""

from __future__ import annotations

from collections.abc import Iterator

from tunesmith.core.record import Record
from tunesmith.data.files import READ_ERRORS, File, damaged, open_bytes
from tunesmith.data.sources._pages import BIGGEST, Empty, Mode, page
from tunesmith.data.sources._whole import quarantined

VERSION = 1
USES = ("lxml", "resiliparse", "trafilatura")  # their versions are part of the KEY
SUFFIXES = (".html", ".htm", ".xhtml")
RAW_BYTES = 1 << 16  # of a page in quarantine


def html(file: File, *, mode: Mode = "quality", empty: Empty = "quarantine") -> Iterator[Record]:
    """The main text of a web page, without menus, comments and other things around it: one document a file.

    `mode: quality` is trafilatura's text (what most of three of its ways agree on), `mode: fast` that of resiliparse.
    `meta` has what the page says about itself: title, language, author, canonical, license_url. Its date is that of the
    record, and so is a known licence that it declares (rel=license, a meta element or JSON-LD). A page that
    cannot be parsed, is empty or larger than 20 MB is quarantined with its first 64 KB, and so is one with no main
    text, unless `empty: keep` makes it a document without text, for a bound to judge.
    """
    raw = b""
    try:
        with open_bytes(file) as stream:
            while len(raw) <= BIGGEST and (more := stream.read(1 << 20)):
                raw += more
        found = page(raw, mode, empty=empty)
    except READ_ERRORS as error:
        found = {"error": damaged(error)}
    if "error" in found:
        yield quarantined(file, str(found["error"]), raw[:RAW_BYTES], offset=0)
    else:
        yield {**found, "uri": file.uri}
