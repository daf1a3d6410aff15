"""Personal identifiers that can be told by their form and their checksums: e-mail, phone, payment card, IP address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
import re2
from stdnum import luhn

VERSION = 1

Kind = Literal["email", "phone", "card", "ip"]
PLACEHOLDERS: dict[Kind, str] = {
    "email": "<EMAIL_ADDRESS>", "phone": "<PHONE_NUMBER>", "card": "<PAYMENT_CARD>", "ip": "<IP_ADDRESS>",
}  # fmt: skip

# One pass finds the texts that may hold one of these; in them the checks decide, the earlier kinds before the later.
CANDIDATES: dict[Kind, str] = {
    "email": r"[\pL\pN_][\pL\pN._%+\-]*@[\pL\pN][\pL\pN\-]*(?:\.[\pL\pN][\pL\pN\-]*)+",
    "ip": r"\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{1,4}|:):[0-9A-Fa-f:]*(?::|:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f])",
    "card": r"\d{4}[ -]?\d{4}[ -]?\d{4}(?:[ -]?\d{1,7})?|\d{4}[ -]?\d{6}[ -]?\d{4,5}",
    "phone": r"(?:\+|\(\+?)?\d(?:[ \-./()]{0,3}\d){6,16}(?: ?x\d{1,5})?",
}
NO_DOMAINS = frozenset(
    {"css", "csv", "gif", "html", "jpeg", "jpg", "js", "json", "md", "pdf", "png", "py", "svg", "txt", "webp"}
)

# Prefixes of the issuers (ISO/IEC 7812) and how many digits their cards have.
ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners Club
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|(?:1800|2131)\d{11}"  # JCB, older cards
    r"|62\d{14,17}"  # UnionPay
    r"|(?:50(?:18|20|38)|5893|6304|6759|676[1-3])\d{8,15}"  # Maestro
)
BEFORE = 40  # characters before a number in which a word may say what it is
CARD_WORDS = re.compile(r"\b(?:card|cc|credit|debit|visa|mastercard|amex|maestro)\b", re.IGNORECASE)
PHONE_WORDS = re.compile(
    r"\b(?:(?:tele)?phone|tel|mobile|mob|cell|call|calling|fax|whatsapp|sms|text|messages|dial|ring|hotline|contact|reach"
    r"|desk|office|answering)\b",
    re.IGNORECASE,
)
OTHER_NUMBERS = re.compile(
    r"(?:#|\b(?:order|invoice|ref|reference|id|isbn|issn|version|v|release|case|ticket|tracking|sku|part|serial|model|doi"
    r"|account|iban|rfc|pep|port|build|article|section|page|no|nr)\b[\s.:#]*(?:number|no|nr|id|code)?[\s.:#-]*)$",
    re.IGNORECASE,
)
NATIONAL = re.compile(r"\(\d{3}\) ?\d{3}[-.]\d{4}|\d{3}([-.])\d{3}\1\d{4}")  # as in North America
DATE = re.compile(r"\d{4}([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2\d{4}")
MIN_DIGITS, MAX_DIGITS = 7, 15  # of a phone number; the longest is E.164's


def redact_pii(texts: pa.StringArray, *, kinds: Sequence[Kind] = ("email", "phone", "card", "ip")) -> pa.StringArray:
    """Put placeholders such as <EMAIL_ADDRESS> in the place of e-mail and IP addresses, phone and payment-card numbers.

    A card needs a right check digit and an issuer's prefix, or a word before it that says so; an IP address is that of
    some host; a phone number needs an international or North American form and a place in the numbering plan, or a word
    before it that says so. Versions, dates and order numbers are left alone. Names and addresses are not looked for.

    >>> redact_pii(pa.array(["Mail jo@example.org or call +44 20 7946 0018."])).to_pylist()
    ['Mail <EMAIL_ADDRESS> or call <PHONE_NUMBER>.']
    >>> redact_pii(pa.array(["Card 4111 1111 1111 1111, order 4111 1111 1111 1112."])).to_pylist()
    ['Card <PAYMENT_CARD>, order 4111 1111 1111 1112.']
    >>> redact_pii(pa.array(["From 203.0.113.9 with version 1.2.3"]), kinds=["ip"]).to_pylist()
    ['From <IP_ADDRESS> with version 1.2.3']
    """
    if not kinds:
        return texts
    suspect = pc.fill_null(pc.match_substring_regex(texts, "|".join(CANDIDATES[kind] for kind in kinds)), False)
    found = texts.filter(suspect).to_pylist()
    redacted = pa.array([redact(text, kinds) for text in found], pa.string())
    return pc.replace_with_mask(texts, suspect, redacted) if found else texts


def redact(text: str, kinds: Sequence[Kind] = tuple(CANDIDATES)) -> str:
    """One text with placeholders in the places that `find` finds."""
    parts, end = [], 0
    for start, stop, kind in find(text, kinds):
        parts += [text[end:start], PLACEHOLDERS[kind]]
        end = stop
    return "".join([*parts, text[end:]])


def find(text: str, kinds: Sequence[Kind] = tuple(CANDIDATES)) -> list[tuple[int, int, Kind]]:
    """Where identifiers of these kinds stand in a text: start, end and kind, in order and without overlaps."""
    found: list[tuple[int, int, Kind]] = []
    for kind in (kind for kind in CANDIDATES if kind in kinds):
        for match in _finder(kind).finditer(text):
            start, end = match.span()
            free = all(end <= other or start >= stop for other, stop, _ in found)
            if free and _stands_alone(text, start, end) and CHECKS[kind](text, start, end):
                found.append((start, end, kind))
    return sorted(found)


@cache
def _finder(kind: Kind) -> re2._Regexp:
    return re2.compile(CANDIDATES[kind])


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no letter or digit touches it, nor a decimal point or sign that makes it part of a longer number."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    joins_before = before[-1:].isalnum() or bool(re.fullmatch(r"\w[.\-]|\d:", before))
    joins_after = after[:1].isalnum() or bool(re.fullmatch(r"[.\-]\d|_.?", after))
    return not joins_before and not joins_after


def _is_email(text: str, start: int, end: int) -> bool:
    name, _, domain = text[start:end].rpartition("@")
    last = domain.rpartition(".")[2]
    return last.isalpha() and len(last) > 1 and last.lower() not in NO_DOMAINS and name != "git"


def _is_ip(text: str, start: int, end: int) -> bool:
    given = text[start:end]
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return False
    is_host = not (address.is_unspecified or address.is_loopback or address.is_multicast or given.startswith("255."))
    has_digit = any(sign.isdigit() for sign in given)  # a::b is a name in many programming languages
    return is_host and has_digit and not OTHER_NUMBERS.search(text[max(0, start - BEFORE) : start])


def _is_card(text: str, start: int, end: int) -> bool:
    digits = re.sub("[ -]", "", text[start:end])
    by_issuer = bool(ISSUERS.fullmatch(digits)) or bool(CARD_WORDS.search(text[max(0, start - BEFORE) : start]))
    return by_issuer and luhn.is_valid(digits)


def _is_phone(text: str, start: int, end: int) -> bool:
    given, before = text[start:end], text[max(0, start - BEFORE) : start]
    if DATE.match(given):
        return False
    named = bool(PHONE_WORDS.search(before)) and not OTHER_NUMBERS.search(before)
    is_international = given.lstrip("(").startswith("+")
    if named:
        return MIN_DIGITS <= sum(sign.isdigit() for sign in given.partition("x")[0]) <= MAX_DIGITS
    if is_international:
        return _is_assigned(given, None)
    return bool(NATIONAL.fullmatch(given)) and not OTHER_NUMBERS.search(before) and _is_assigned(given, "US")


def _is_assigned(given: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(given, region))
    except phonenumbers.NumberParseException:
        return False


CHECKS: dict[Kind, Callable[[str, int, int], bool]] = {
    "email": _is_email, "ip": _is_ip, "card": _is_card, "phone": _is_phone,
}  # fmt: skip
