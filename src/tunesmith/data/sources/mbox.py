"""Mail and mailing lists in mbox files: a record a message or a thread."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import parseaddr, parsedate_to_datetime
from typing import BinaryIO, Literal

from tunesmith.core.record import Record
from tunesmith.data.files import File, Line, lines
from tunesmith.data.sources._markup import html_text
from tunesmith.data.sources._whole import HEAD, quarantined, seekable

VERSION = 1
SUFFIXES = (".mbox", ".mbx")
# Browsers and mail programs read these names as windows-1252 (WHATWG Encoding Standard), and so do we after UTF-8.
LATIN = frozenset({"", "ansi_x3.4-1968", "ascii", "iso-8859-1", "latin-1", "latin1", "unknown-8bit", "us-ascii"})

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_STUFFED = re.compile(rb"(?m)^>(>*From )")
_ID = re.compile(r"<([^<>\s]+)>")
_REPLY = re.compile(r"^(?:\s*(?:re|aw|antw|sv|vs|fwd?|wg)(?:\[\d+\])?\s*:)+\s*", re.IGNORECASE)
_LIST_ID = re.compile(r"<([^<>\s]+)>\s*$")
_QUOTED = re.compile(r"^\s{0,3}>")
# "On 1 May 2020, Ann Lee wrote:" and the like, which may take two lines
_SAYS = re.compile(
    r"\b(?:wrote|writes|said|schrieb|schreef|skrev|[ée]crit|escribi[óo]|escreveu|scrisse|ha scritto)\b.*:$"
)
_BEGINS = re.compile(r"^(?:Am|At|Den|El|Em|Il|In|Le|On|Op)\b")
_ORIGINAL = re.compile(r"^-{2,}\s*(?:Original Message|Urspr[üu]ngliche Nachricht|Message d'origine)\s*-{2,}$", re.I)
_FOOTER = re.compile(r"\n_{30,}\n[^\n]*mailing list\b[\s\S]*\Z", re.IGNORECASE)


class Undecodable(ValueError):
    """A text that is in none of the encodings it could be in."""


@dataclass(frozen=True)
class Mail:
    """The bytes of one message, the `From ` line above it included, with the line and offset of that."""

    raw: bytes
    line: int
    offset: int


@dataclass
class Threads:
    """The root of each message seen so far, by its id, and of each subject: ids only, never texts."""

    of_id: dict[str, str] = field(default_factory=dict)
    of_subject: dict[str, str] = field(default_factory=dict)

    def root(self, message: Message, own: str) -> str:
        """The id of the thread's first message: by References, In-Reply-To or, for a reply without them, subject."""
        named = _ID.findall(_header(message, "References")) + _ID.findall(_header(message, "In-Reply-To"))[:1]
        subject = _header(message, "Subject")
        bare = _REPLY.sub("", subject).strip().lower()
        known = next((self.of_id[name] for name in named if name in self.of_id), None)
        if known is None and not named and bare != subject.strip().lower():
            known = self.of_subject.get(bare)
        root = known or (named[0] if named else own)
        for name in (*named, own):
            self.of_id.setdefault(name, root)
        self.of_subject.setdefault(bare, root)
        return root


def mbox(
    file: File, *, unit: Literal["message", "thread"] = "message", quotes: Literal["keep", "drop"] = "keep"
) -> Iterator[Record]:
    """One document for each message of an mbox file, or for each thread; all messages of a thread share their group.

    The text is the plain part, else the HTML part without its tags; attachments are left out. `quotes: drop` leaves out
    quoted replies and signatures. Quarantined: text in no encoding that it could be in, and messages without any text.
    """
    if unit == "thread":
        yield from _threads(file, quotes)
        return
    threads = Threads()
    for mail in _mails(file):
        if isinstance(mail, Mail):
            yield _row(file, mail, threads, quotes)
        else:
            yield mail


def _mails(file: File) -> Iterator[Mail | Record]:
    """The messages one after the other, and quarantine rows for what stands before the first or cannot be read."""
    first: Line | None = None
    waiting: list[bytes] = []
    for line, begins in _marked(file):
        if begins or line.error:
            yield from _mail(file, first, waiting)
            first, waiting = line if begins else None, []
        if line.error:
            yield quarantined(file, line.error, line=line.number, offset=line.offset)
        else:
            waiting.append(line.raw)
    yield from _mail(file, first, waiting)


def _marked(file: File) -> Iterator[tuple[Line, bool]]:
    """Each line, and whether a message begins with it.

    One does where, after a blank line, `From ` is followed by a line that is a header: sentences may begin with From.
    """
    held: Line | None = None
    blank = may_begin = True
    for line in lines(file):
        if held is not None:
            yield held, may_begin and _FIELD.match(line.raw) is not None
        may_begin = blank and line.raw.startswith(b"From ")
        blank = not line.raw.strip()
        held = line
    if held is not None:
        yield held, False


def _mail(file: File, first: Line | None, waiting: list[bytes]) -> Iterator[Mail | Record]:
    raw = b"".join(waiting)
    if first is not None:
        yield Mail(raw, first.number or 0, first.offset)
    elif raw.strip():
        yield quarantined(file, "text before the first `From ` line of a message", raw[:HEAD])


def _parsed(mail: Mail) -> Message:
    return message_from_bytes(_STUFFED.sub(rb"\1", mail.raw.partition(b"\n")[2]))


def _row(file: File, mail: Mail, threads: Threads, quotes: str) -> Record:
    message = _parsed(mail)
    text = _text(file, mail, message, quotes)
    root = threads.root(message, _own_id(file, mail, message))
    if not isinstance(text, str):
        return text
    ids = _ID.findall(_header(message, "Message-ID"))
    key = {"key": ids[0]} if ids else {}
    place = {"uri": file.uri, "line": mail.line, "offset": mail.offset}
    return {"text": text, **key, "group": root, **place, **_date(message), "meta": _meta(message)}


def _threads(file: File, quotes: str) -> Iterator[Record]:
    """Two passes: the first finds the thread of each message and keeps its place only, the second reads by thread."""
    threads = Threads()
    places: dict[str, list[tuple[int, int, int]]] = {}
    for mail in _mails(file):
        if isinstance(mail, Mail):
            message = BytesHeaderParser().parsebytes(mail.raw.partition(b"\n")[2])
            root = threads.root(message, _own_id(file, mail, message))
            places.setdefault(root, []).append((mail.line, mail.offset, len(mail.raw)))
        else:
            yield mail
    with seekable(file) as stream:
        for root, found in places.items():
            yield from _thread(file, root, (_mail_at(stream, *place) for place in found), quotes)


def _mail_at(stream: BinaryIO, line: int, offset: int, size: int) -> Mail:
    stream.seek(offset)
    return Mail(stream.read(size), line, offset)


def _thread(file: File, root: str, mails: Iterator[Mail], quotes: str) -> Iterator[Record]:
    texts: list[str] = []
    row: dict[str, object] = {}
    for mail in mails:
        message = _parsed(mail)
        text = _text(file, mail, message, quotes)
        if not isinstance(text, str):
            yield text
            continue
        meta, date = _meta(message), _date(message)
        if not row:
            row = {"uri": file.uri, "line": mail.line, "offset": mail.offset, **date, "meta": meta}
            texts += [meta["subject"]] if meta.get("subject") else []
        day = f" on {date['date'][:10]}" if date else ""
        texts.append(f"{meta.get('from', 'Somebody')} wrote{day}:\n\n{text}")
    if row:
        yield {"text": "\n\n".join(texts), "key": root, "group": root, **row}


def _own_id(file: File, mail: Mail, message: Message) -> str:
    return next(iter(_ID.findall(_header(message, "Message-ID"))), f"{file.uri}:{mail.offset}")


def _text(file: File, mail: Mail, message: Message, quotes: str) -> str | Record:
    """What a message says, or the quarantine row that says why that cannot be read."""
    try:
        text = _body(message)
    except Undecodable as error:
        return quarantined(file, error, mail.raw, line=mail.line, offset=mail.offset)
    if text is None:
        kinds = sorted({part.get_content_type() for part in message.walk() if not part.is_multipart()})
        problem = f"no text in the message, only {', '.join(kinds)}"
        return quarantined(file, problem, mail.raw[:HEAD], line=mail.line, offset=mail.offset)
    return own_words(text) if quotes == "drop" else text


def _body(part: Message) -> str | None:
    """The text of a message or a part of it; None where there is none."""
    if part.get_content_disposition() == "attachment":
        return None
    kind = part.get_content_type()
    if part.is_multipart():
        inner = [one for one in part.get_payload() if isinstance(one, Message)]
        found = [(one.get_content_type() == "text/plain", _body(one)) for one in inner]
        texts = [(plain, text) for plain, text in found if text]
        if kind == "multipart/alternative":
            texts = sorted(texts, key=lambda each: not each[0])[:1]
        return "\n\n".join(text for _, text in texts) or None
    if kind == "text/plain":
        return _decoded(part).replace("\r\n", "\n").strip("\n")
    return html_text(_decoded(part), quote="> ") if kind == "text/html" else None


def _decoded(part: Message) -> str:
    raw = part.get_payload(decode=True)
    raw = raw if isinstance(raw, bytes) else b""
    named = (part.get_content_charset() or "").lower()
    names = ("utf-8", "windows-1252") if named in LATIN else (named, "utf-8")
    for name in names:
        try:
            return raw.decode(name)
        except (LookupError, ValueError):  # an encoding that nobody knows, or bytes that are not in it
            continue
    tried = " nor ".join(dict.fromkeys(names))
    raise Undecodable(f"the text is said to be {named or 'us-ascii'}, and is not {tried}")


def own_words(text: str) -> str:
    r"""A mail without the lines it quotes, what introduces them, its signature and the footer of its list.

    >>> own_words("On 1 May 2020, Ann wrote:\n> Shall we?\n\nLet us.\n-- \nBob")
    'Let us.'
    """
    kept: list[str] = []
    for line in _FOOTER.sub("", text).split("\n"):
        if line.rstrip() == "--" or _ORIGINAL.match(line.strip()):
            break
        if _QUOTED.match(line):
            kept = _without_introduction(kept)
        else:
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip("\n")


def _without_introduction(kept: list[str]) -> list[str]:
    """The lines before a quotation, without `Ann wrote:` at their end, which may be broken into two lines."""
    end = len(kept)
    while end and not kept[end - 1].strip():
        end -= 1
    if not end or not _SAYS.search(kept[end - 1].strip()):
        return kept
    broken = end > 1 and not _BEGINS.match(kept[end - 1]) and _BEGINS.match(kept[end - 2])
    return kept[: end - 2 if broken else end - 1]


def _header(message: Message, name: str) -> str:
    """A header as text on one line; what is not ASCII and not encoded either is read as UTF-8."""
    given = next((value for own, value in message.raw_items() if own.lower() == name.lower()), "")
    written = str(given).encode("ascii", "surrogateescape").decode("utf-8", "replace")
    if "=?" not in written:
        return " ".join(written.split())
    try:
        return " ".join(str(make_header(decode_header(written))).split())
    except (LookupError, MessageError, ValueError):
        return " ".join(written.split())


def _date(message: Message) -> dict[str, str]:
    try:
        return {"date": parsedate_to_datetime(_header(message, "Date")).isoformat()}
    except (IndexError, OverflowError, TypeError, ValueError):  # what a date that is none raises
        return {}


def _meta(message: Message) -> dict[str, str]:
    name, address = parseaddr(_header(message, "From"))
    listed = _LIST_ID.search(_header(message, "List-Id"))
    facts = {"subject": _header(message, "Subject"), "from": name or address, "list": listed and listed.group(1)}
    return {name: value for name, value in facts.items() if value}
