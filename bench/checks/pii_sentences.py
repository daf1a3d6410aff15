"""A second test set for identifiers: invented sentences with values from the libraries' own examples, and look-alikes.

Nothing in it comes from the labelled set, so that a rule that only fits that set shows here. Everything is drawn from a
seed. The first frames were used to choose rules by; the fresh ones were written when the rules stood.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import iban, luhn, numdb

ENGLISH_CALLS = (
    "My phone number is {}.",
    "You can call me on {} after six.",
    "Tel: {}",
    "Please ring {} and ask for Maria.",
    "Her mobile is {}, try that first.",
    "Fax {} or write to the office.",
    "For support dial {}, then press 2.",
    "I texted {} twice and got no answer.",
    "Contact: Jo Novak, {}",
    "WhatsApp {} for a quote",
    "phone={}",
    'the form said {{"phone": "{}", "name": "Jo"}}',
    "Reach the front desk at {} any time.",
    "Cell {} (leave a message)",
    "{} is my number, use it.",
    "Hotline {}",
    "Jo Novak\nPlumber\n{}\nHigh Street 3",
    "Reservations\nOpen daily\n{}\nwww.example.com",
    "You may also reach us by telephone: {}.",
    "If the line drops, call back on {} please.",
    "Jo Novak, plumber, {}",
    "M: {}",
    "Direct: {}",
    "Send the code by SMS to {}.",
    "Emergency contact (mother): {}",
    "{} (mobile)",
)
OTHER_CALLS = (
    "Telefon: {}", "Rufen Sie mich an: {}", "Tél. : {}", "Mon portable est le {}.", "Teléfono {}", "Tel. {}",
    "Llámame al móvil {}", "Il mio cellulare: {}", "Telefone: {}", "Телефон: {}", "моб. {}", "电话：{}", "手机{}",
    "電話 {}", "Mobil: {}", "Puh. {}", "Telefoon {}", "Handynummer: {}", "हमारा फोन {}", "هاتف: {}",
)  # fmt: skip
# Written after all rules stood, and never looked at again: what is reported.
FRESH_CALLS = (
    "Give Ana a bell on {}, she is expecting it.",
    "Landline {} (evenings only)",
    "For bookings please phone {} or come by.",
    "He left his number, {}, with the porter.",
    "Mr Haddad, mobile number {}, will let you in.",
    "Our new fax number: {}",
    "Customer service can be reached under {}.",
    "Text STOP to {} to end this.",
    "Telephone (day): {}",
    "The clinic rang from {} this morning.",
    "Home: {}",
    "Please dial {} for the conference",
    "Dr. A. Osei\nPaediatrics\n{}\nRoom 14",
    "Emergency? Call {} now!",
    "telephone_number: {}",
    "<tel>{}</tel>",
)
FRESH: dict[str, tuple[str, ...]] = {
    "email": ("cc {} please", "[mail]({})", "contact={}, role=admin", "ask {}: she knows"),
    "iban": ("Refund to {} by Friday.", "Konto {}", "wire it to {}, thanks", "account_iban: {}"),
    "ssn": ("SSN# {}", "my social is {} ok?", "{} is on file", "tax form of {}"),
    "ip": ("traceroute {}", "the camera ({}) is offline", "ip_address: {}", "logged in from {} at noon"),
    "card": ("use {} for the deposit", "card_number: {}", "Amex or Visa? {}", "the card ({}) expired"),
}


FRAMES: dict[str, tuple[str, ...]] = {
    "email": (
        "Write to {}.", "Her address is {}, she answers fast.", "<{}>", "mailto:{}", "({})", "from: {}\nto: list",
        "'{}' was copied", "author = \"{}\"", "我的邮箱是{}，谢谢", "Почта:{};", "{}", "see {} or the page",
    ),
    "iban": (
        "Please pay to {}.", "IBAN: {}", "My account is {} at the bank", "Überweisung an {}", "{}", "iban={}; bic=X",
        "Transfer the deposit ({}) today",
    ),
    "ssn": (
        "SSN {}", "Her social security number is {}.", "social: {}", "the applicant ({}) signed", "ssn={}", "{}",
        "He wrote {} on the form.",
    ),
    "ip": (
        "The server at {} is down.", "ping {}", "connected from {} port 8080", "host={} port=22", "http://{}/index.html",
        "blocked {} after five tries", "{} - - [10/Oct/2000]", "allow {}/24", "client '{}' left",
    ),
    "card": (
        "Charge it to {}.", "My card number is {}, thanks", "card: {}", "{}", "paid with {} exp 12/27", 
        "Visa {} declined", "I lost {} yesterday", "cc={}", "The number {} was refused",
    ),
}  # fmt: skip
LOOK_ALIKES: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    ("Your order number is {}.", lambda rng: _digits(rng, rng.choice((8, 9, 10, 12, 16)))),
    ("Order #{} has shipped", lambda rng: f"{_digits(rng, 3)}-{_digits(rng, 7)}-{_digits(rng, 7)}"),
    ("ISBN {}", lambda rng: f"978-{rng.randrange(10)}-{_digits(rng, 4)}-{_digits(rng, 4)}-{rng.randrange(10)}"),
    ("ISBN-10: {}", lambda rng: f"0-{_digits(rng, 3)}-{_digits(rng, 5)}-{rng.randrange(10)}"),
    ("Version {} is out", lambda rng: ".".join(str(rng.randrange(20)) for _ in range(4))),
    (
        "libfoo ({}) unstable",
        lambda rng: f"{rng.randrange(9)}.{rng.randrange(30)}.{rng.randrange(9)}-{rng.randrange(9)}",
    ),
    ("on {} we met", lambda rng: f"{rng.randrange(1950, 2030)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"),
    (
        "at {} sharp",
        lambda rng: f"{rng.randrange(1, 29):02}.{rng.randrange(1, 13):02}.{rng.randrange(1950, 2030)} 12:30",
    ),
    ("timestamp {} ms", lambda rng: str(rng.randrange(1_500_000_000_000, 1_800_000_000_000))),
    ("started {}", lambda rng: str(rng.randrange(1_500_000_000, 1_800_000_000))),
    ("log 2024{}", lambda rng: f"0{rng.randrange(1, 10)}1{rng.randrange(10)}-{_digits(rng, 6)}"),
    ("sha256 {}", lambda rng: hashlib.sha256(_digits(rng, 9).encode()).hexdigest()),
    ("commit {}", lambda rng: hashlib.sha1(_digits(rng, 9).encode()).hexdigest()),
    ("md5: {}", lambda rng: hashlib.md5(_digits(rng, 9).encode()).hexdigest()),
    ("at {} by car", lambda rng: f"{rng.uniform(-90, 90):.6f}, {rng.uniform(-180, 180):.6f}"),
    ("pi is {}", lambda rng: f"3.{_digits(rng, rng.randrange(8, 30))}"),
    (
        "that is ${} in all",
        lambda rng: f"{rng.randrange(1, 999)},{_digits(rng, 3)},{_digits(rng, 3)}.{_digits(rng, 2)}",
    ),
    ("a sum of {} euros", lambda rng: f"{rng.randrange(1, 999)} {_digits(rng, 3)} {_digits(rng, 3)}"),
    ("part no. {}", lambda rng: f"{_digits(rng, 3)}-{_digits(rng, 3)}-{_digits(rng, 4)}"),
    ("SKU {}", lambda rng: f"{_digits(rng, 4)}-{_digits(rng, 4)}-{_digits(rng, 2)}"),
    ("see RFC {} and RFC 8259", lambda rng: str(rng.randrange(1000, 9999))),
    ("device {} joined", lambda rng: ":".join(f"{rng.randrange(256):02x}" for _ in range(6))),
    ("id {}", lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4))),
    ("the matrix\n{}", lambda rng: "\n".join(" ".join(_digits(rng, 2) for _ in range(9)) for _ in range(3))),
    ("scores {}", lambda rng: " ".join(str(rng.randrange(1000)) for _ in range(8))),
    ("years {}", lambda rng: f"{rng.randrange(1900, 1960)}-{rng.randrange(1960, 2020)}"),
    ("EAN {}", lambda rng: _digits(rng, 13)),
    ("tracking {}", lambda rng: _digits(rng, 12)),
    ("it has {} rows", lambda rng: str(rng.randrange(10**8, 10**10))),
    ("std::{}::value", lambda rng: f"v{rng.randrange(9)}"),
    ("icon@{}x.png is here", lambda rng: str(rng.randrange(2, 9))),
    ("pkg@{} was installed", lambda rng: f"{rng.randrange(9)}.{rng.randrange(99)}.{rng.randrange(99)}"),
    ("at 12:{}:45.123456", lambda rng: f"{rng.randrange(10, 60)}"),
    ("DOI 10.{}/x", lambda rng: f"{_digits(rng, 4)}/{_digits(rng, 8)}"),
    ("bug {} and its copy", lambda rng: _digits(rng, 7)),
    ("x = {}", lambda rng: f"{rng.random() * 1e6:.10f}"),
    ("0x{}", lambda rng: f"{rng.getrandbits(64):016x}"),
    ("case {}", lambda rng: f"{rng.randrange(1, 9)}:{_digits(rng, 2)}-cv-{_digits(rng, 5)}"),
    ("pages {}", lambda rng: f"{rng.randrange(1000, 2000)}-{rng.randrange(2000, 3000)}"),
    ("the range {} of ports", lambda rng: f"{rng.randrange(1024, 30000)}-{rng.randrange(30000, 65535)}"),
)


LOOK_ALIKES_EACH = 40


@dataclass(frozen=True)
class Sentence:
    """A text, and what stands where in it; `kind` is empty for a look-alike."""

    text: str
    kind: str
    start: int
    end: int
    is_fresh: bool  # not used to choose any rule


def sentences(seed: int = 0, n: int = 300) -> list[Sentence]:
    """So many sentences of each kind but phones, the phones of each region, and many look-alikes of each sort."""
    rng = random.Random(seed)
    made = []
    for kind, make in VALUES.items():
        made += [_sentence(FRAMES[kind], number, kind, make(rng)) for number in range(n)]
        made += [_sentence(FRESH[kind], number, kind, make(rng), is_fresh=True) for number in range(n)]
    made += _phones(rng, (ENGLISH_CALLS, ENGLISH_CALLS, OTHER_CALLS)) + _phones(rng, (FRESH_CALLS,), is_fresh=True)
    for frame, make in LOOK_ALIKES:
        made += [_sentence((frame,), 0, "", make(rng)) for _ in range(LOOK_ALIKES_EACH)]
    return made


def _sentence(frames: tuple[str, ...], number: int, kind: str, value: str, *, is_fresh: bool = False) -> Sentence:
    frame = frames[number % len(frames)]
    start = frame.replace("{{", "{").replace("}}", "}").index("{}")
    return Sentence(frame.format(value), kind, start, start + len(value), is_fresh)


def _phones(rng: random.Random, choices: tuple[tuple[str, ...], ...], *, is_fresh: bool = False) -> list[Sentence]:
    """The example numbers of every region, mobile and fixed, in their international, national and plain forms."""
    made = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for sort in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE):
            number = phonenumbers.example_number_for_type(region, sort)
            if number is None:
                continue
            for form in (PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL, PhoneNumberFormat.E164):
                value = phonenumbers.format_number(number, form)
                frames = rng.choice(choices)
                name = "phone" if form == PhoneNumberFormat.NATIONAL else "phone, international"
                made.append(_sentence(frames, rng.randrange(len(frames)), name, value, is_fresh=is_fresh))
    return made


def _digits(rng: random.Random, n: int) -> str:
    return "".join(str(rng.randrange(10)) for _ in range(n))


def _email(rng: random.Random) -> str:
    name = rng.choice(
        ("jo", "maria.novak", "j_smith", "a.b+news", "x99", "o-neil", "müller", "иван", "JOHN.DOE", "first%last")
    )
    domain = rng.choice(
        (
            "example.org",
            "mail.example.co.uk",
            "münchen.example",
            "sub-domain.example.museum",
            "wp.pl",
            "EXAMPLE.COM",
            "x.io",
        )
    )
    return f"{name}{rng.choice(('', _digits(rng, 2)))}@{domain}"


def _iban(rng: random.Random) -> str:
    """A number of a random country's structure with the right check digits, together or in fours."""
    country = rng.choice(
        [
            "AD",
            "AE",
            "AT",
            "BE",
            "BG",
            "BR",
            "CH",
            "CY",
            "CZ",
            "DE",
            "DK",
            "EE",
            "ES",
            "FI",
            "FR",
            "GB",
            "GR",
            "HR",
            "HU",
            "IE",
            "IL",
            "IS",
            "IT",
            "LT",
            "LU",
            "LV",
            "MT",
            "NL",
            "NO",
            "PL",
            "PT",
            "RO",
            "SE",
            "SI",
            "SK",
            "TR",
        ]
    )
    _, facts = numdb.get("iban").info(country)[0]
    body = ""
    for part in facts["bban"].replace("!", "").replace("n", "n ").replace("a", "a ").replace("c", "c ").split():
        signs = {"n": "0123456789", "a": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "c": "ABCDEFGHJKLMNPQR0123456789"}[part[-1]]
        body += "".join(rng.choice(signs) for _ in range(int(part[:-1])))
    whole = country + iban.calc_check_digits(f"{country}00{body}") + body
    parted = " ".join(whole[place : place + 4] for place in range(0, len(whole), 4))
    return rng.choice((whole, whole.lower(), parted, parted))


def _ssn(rng: random.Random) -> str:
    area = rng.choice([number for number in range(1, 900) if number != 666])
    return f"{area:03}-{rng.randrange(1, 100):02}-{rng.randrange(1, 10000):04}"


def _ip(rng: random.Random) -> str:
    if rng.random() < 0.6:
        first = rng.choice([number for number in range(1, 224) if number != 127])
        return ".".join(map(str, (first, rng.randrange(256), rng.randrange(256), rng.randrange(1, 256))))
    groups = [f"{rng.randrange(0x2000, 0x3FFF):x}", *(f"{rng.randrange(65536):x}" for _ in range(7))]
    short = f"{groups[0]}:{groups[1]}::{groups[2]}"
    return rng.choice(
        (":".join(groups), short, f"fe80::{groups[3]}:{groups[4]}", f"{groups[0]}:{groups[1]}:{groups[5]}::")
    )


def _card(rng: random.Random) -> str:
    prefix, length = rng.choice(
        (("4", 16), ("4", 13), ("51", 16), ("2720", 16), ("34", 15), ("37", 15), ("300", 14), ("36", 14), ("6011", 16),
         ("65", 16), ("3530", 16), ("62", 16), ("6759", 16), ("5018", 16), ("2200", 16))
    )  # fmt: skip
    body = prefix + _digits(rng, length - len(prefix) - 1)
    whole = body + luhn.calc_check_digit(body)
    if length == 16:
        return rng.choice(
            (
                whole,
                " ".join(whole[i : i + 4] for i in (0, 4, 8, 12)),
                "-".join(whole[i : i + 4] for i in (0, 4, 8, 12)),
            )
        )
    return rng.choice((whole, f"{whole[:4]} {whole[4:10]} {whole[10:]}")) if length in (14, 15) else whole


VALUES: dict[str, Callable[[random.Random], str]] = {
    "email": _email, "iban": _iban, "ssn": _ssn, "ip": _ip, "card": _card,
}  # fmt: skip
