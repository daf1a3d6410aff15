"""Where personal identifiers and secrets stand in texts: the kernel's candidates, and what libraries say of them."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import phonenumbers
import pyarrow as pa
from numpy.typing import NDArray
from stdnum import iban, numdb

from tunesmith.data.arrays import arrow

if TYPE_CHECKING:
    from tunesmith.data.kernels.pii import Tables

Kind = Literal[
    "email", "phone", "ssn", "card", "iban", "ip", "url_credentials", "api_key", "private_key", "crypto"
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)

LONGEST_CHECKED = 600  # bytes of a candidate that a check looks at; a JSON web token may be as long
# The digits of other scripts, and the signs that stand in numbers with them.
FOLDED = {
    **{zero + digit: str(digit) for zero in (0x660, 0x6F0, 0xFF10) for digit in range(10)},
    **dict(zip(map(ord, "＋－．（）＠／：　"), "+-.()@/: ", strict=True)),
}
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE58_VERSIONS = ("00", "05", "80", "0488b21e", "0488ade4")  # Bitcoin: P2PKH, P2SH, private key, xpub, xprv
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32_SUMS = (1, 0x2BC830A3)  # BIP 173, and bech32m of BIP 350


@dataclass(frozen=True)
class Finds:
    """What was found in a batch: row `rows[i]` has an identifier of kind `kinds[i]` at bytes `starts[i]:ends[i]`.

    The offsets are into `data`, the value buffer of the batch; finds stand in order and do not overlap.
    """

    texts: pa.StringArray
    data: NDArray[np.uint8]
    bounds: NDArray[np.int64]
    table: NDArray[np.int64]  # as the kernel gives it: row, start, end, kind, sure
    names: tuple[Kind, ...]  # of the kinds, by number

    def __len__(self) -> int:
        """How many there are."""
        return len(self.table)

    @property
    def kinds(self) -> NDArray[np.int64]:
        """The kind of each, an index into names."""
        return self.table[:, 3]

    def value(self, find: int) -> str:
        """What was found; for a pseudonym, and not to be written anywhere."""
        return self.data[self.table[find, 1] : self.table[find, 2]].tobytes().decode()

    def spans(self, row: int) -> list[tuple[int, int, Kind]]:
        """The finds of one row by characters: start, end and kind."""
        begin, text = int(self.bounds[row]), self.data[self.bounds[row] : self.bounds[row + 1]].tobytes()
        mine = self.table[self.table[:, 0] == row]
        return [
            (len(text[: start - begin].decode()), len(text[: end - begin].decode()), self.names[kind])
            for _, start, end, kind, _ in mine.tolist()
        ]

    def counts(self, name: str) -> NDArray[np.int64]:
        """How many of a kind each row has."""
        rows = self.table[self.kinds == self.names.index(name), 0]
        return np.bincount(rows, minlength=len(self.bounds) - 1)

    def replaced(self, which: NDArray[np.int64], pieces: Sequence[str]) -> pa.StringArray:
        """The texts with `pieces[which[i]]` in the place of find `i`; untouched rows are copied byte by byte."""
        from tunesmith.data.kernels.pii import replaced

        if not len(self.table):
            return self.texts
        encoded = [piece.encode() for piece in pieces]
        ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        flat = np.frombuffer(b"".join(encoded) or b"\0", np.uint8)
        values, offsets = replaced(self.data, self.bounds, self.table, which, flat, ends)
        valid = (
            arrow(self.texts.is_valid().to_numpy(zero_copy_only=False)).buffers()[1] if self.texts.null_count else None
        )
        return pa.Array.from_buffers(
            pa.string(), len(self.texts), [valid, pa.py_buffer(offsets), pa.py_buffer(values)], self.texts.null_count
        )


def finds(texts: pa.StringArray, kinds: Sequence[Kind] = KINDS) -> Finds:
    """The identifiers of these kinds in a batch of texts."""
    from tunesmith.data.kernels.pii import KINDS as NAMES
    from tunesmith.data.kernels.pii import scan
    from tunesmith.data.views import bytes_of

    data, bounds = bytes_of(texts)
    wanted = np.isin(NAMES, list(kinds))
    found, foreign = scan(data, bounds, wanted, _tables())
    found = _checked(data, bounds, found)
    if foreign.any():
        others = [_in_other_digits(data, bounds, int(row), kinds) for row in np.flatnonzero(foreign)]
        found = np.concatenate([found[~foreign[found[:, 0]]], *others])
    return Finds(texts, data, bounds, _in_order(found), cast(tuple[Kind, ...], NAMES))


def _in_order(found: NDArray[np.int64]) -> NDArray[np.int64]:
    from tunesmith.data.kernels.pii import without_overlaps

    found = found[np.lexsort((found[:, 2], found[:, 1], found[:, 0]))]
    stays: NDArray[np.int64] = found[without_overlaps(found)]
    return stays


def _checked(data: NDArray[np.uint8], bounds: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.int64]:
    """The table without the candidates that their check refuses; a check may shorten one."""
    from tunesmith.data.kernels.pii import KINDS as NAMES

    stays = np.ones(len(found), np.bool_)
    found = found.copy()
    for i in np.flatnonzero(found[:, 4] == 0):
        row, start, end, kind, _ = map(int, found[i])
        begin = max(start - 1, int(bounds[row]))
        given = data[begin : min(max(end, start + LONGEST_CHECKED), int(bounds[row + 1]))].tobytes()
        length = CHECKS[NAMES[kind]](given[start - begin :], end - start, given[: start - begin])
        stays[i] = length > 0
        found[i, 2] = start + length
    return found[stays]


def _in_other_digits(
    data: NDArray[np.uint8], bounds: NDArray[np.int64], row: int, kinds: Sequence[Kind]
) -> NDArray[np.int64]:
    """The finds of a row that has Arabic, Persian or full-width digits, looked for as if they were those of ASCII."""
    text = data[bounds[row] : bounds[row + 1]].tobytes().decode()
    folded = finds(pa.array([text.translate(FOLDED)], pa.string()), kinds)
    places = np.cumsum([0, *(len(sign.encode()) for sign in text)])  # a folded sign is one sign still
    table = folded.table.copy()
    for column in (1, 2):
        characters = [len(folded.data[:end].tobytes().decode(errors="ignore")) for end in table[:, column]]
        table[:, column] = places[characters] + bounds[row]
    table[:, 0] = row
    return table


@cache
def _tables() -> Tables:
    from tunesmith.data.kernels.pii import Tables
    from tunesmith.data.kernels.pii_words import TAGS, Words

    given = _catalogue()
    keys = {prefix: 1 for prefix in given["api_keys"]}
    issuers = [
        [_six(first, "0"), _six(last, "9"), sum(1 << length for length in lengths)]
        for _, first, last, lengths in given["issuers"]
    ]
    return Tables(
        Words.of(_tagged(given["words"], TAGS)),
        Words.of(_tagged(given["queries"], TAGS)),
        Words.of(keys),
        np.array(issuers, np.int64),
        np.array([_iban_length(chr(65 + i // 26) + chr(65 + i % 26)) for i in range(26 * 26)], np.int64),
    )


@cache
def _catalogue() -> dict[str, Any]:
    from ruamel.yaml import YAML

    given: dict[str, Any] = YAML(typ="safe").load(
        files("tunesmith.data").joinpath("identifiers.yaml").read_text("utf-8")
    )
    return given


def _tagged(lists: Mapping[str, str], tags: Mapping[str, int]) -> dict[str, int]:
    """Each word with all it says; capitals of other alphabets are words of their own."""
    tagged: dict[str, int] = {}
    for name, words in lists.items():
        for word in words.lower().split():
            for form in {word} if word.isascii() else {word, word.capitalize(), word.upper()}:
                tagged[form] = tagged.get(form, 0) | tags[name]
    return tagged


def _six(prefix: int, filling: str) -> int:
    return int(str(prefix).ljust(6, filling))


def _iban_length(country: str) -> int:
    """How long an IBAN of this country is; 0 if it has none."""
    _, facts = numdb.get("iban").info(country)[0]
    return (
        4 + sum(int("".join(takewhile(str.isdigit, part))) for part in re.findall(r"\d+!", facts["bban"]))
        if facts
        else 0
    )


def _api_key(given: bytes, length: int, before: bytes) -> int:
    """The length of the key that begins here in the form of its service."""
    if given.startswith(b"AA") and before != b":":
        return 0
    match = _keys().match(given)
    return match.end() if match else 0


@cache
def _keys() -> re.Pattern[bytes]:
    longest_first = sorted(_catalogue()["api_keys"].items(), key=lambda item: -len(item[0]))
    forms = "|".join(f"{re.escape(prefix)}{rest}" for prefix, rest in longest_first)
    return re.compile(f"(?:{forms})(?![A-Za-z0-9_])".encode())


def _iban(given: bytes, length: int, before: bytes) -> int:
    """Its checksum is right; so must be the structure of its country."""
    number = re.sub(r"[^A-Za-z0-9]", "", given[:length].decode(errors="ignore")).upper()
    return length if iban.is_valid(number, check_country=False) else 0


def _ip(given: bytes, length: int, before: bytes) -> int:
    try:
        address = ipaddress.ip_address(given[:length].decode())
    except ValueError:
        return 0
    return 0 if address.is_unspecified or address.is_loopback or address.is_multicast else length


def _wallet(given: bytes, length: int, before: bytes) -> int:
    text = given[:length].decode()
    return length if (_is_bech32(text) if text.lower().startswith("bc1") else _is_base58check(text)) else 0


def _is_base58check(text: str) -> bool:
    """Whether the last four bytes are those of the double SHA-256 of the rest, and it is of Bitcoin."""
    number = 0
    for sign in text:
        number = number * 58 + BASE58.index(sign)
    zeros = len(text) - len(text.lstrip("1"))
    raw = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    right = hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]
    return right and raw.hex().startswith(BASE58_VERSIONS)


def _is_bech32(text: str) -> bool:
    """Whether the checksum of BIP 173 or BIP 350 is right; small and capital letters are not mixed."""
    human, _, rest = text.lower().rpartition("1")
    if text not in (text.lower(), text.upper()) or human != "bc" or not set(rest) <= set(BECH32):
        return False
    expanded = [*(ord(sign) >> 5 for sign in human), 0, *(ord(sign) & 31 for sign in human), *map(BECH32.index, rest)]
    checksum = 1
    for value in expanded:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum in BECH32_SUMS


def _phone(given: bytes, length: int, before: bytes) -> int:
    """The length of the longest number that begins here, with + or 00 and a country, and has its country's length."""
    text = given[:length].decode(errors="ignore")
    for end in [len(text), *(match.start() for match in reversed(list(re.finditer(r"[ ]", text))))]:
        if _is_possible(text[:end]):
            return len(text[:end].encode())
    return 0


def _is_possible(text: str) -> bool:
    signs = text.strip("(").replace("\u00a0", " ")
    international = signs if signs.startswith("+") else f"+{signs[2:].lstrip(' -.')}"
    try:
        number = phonenumbers.parse(international, None)
    except phonenumbers.NumberParseException:
        return False
    is_grouped = bool(re.search(r"\d[ ./()-]+\d", signs))
    return phonenumbers.is_possible_number(number) if is_grouped else phonenumbers.is_valid_number(number)


CHECKS: dict[str, Callable[[bytes, int, bytes], int]] = {
    "api_key": _api_key, "iban": _iban, "ip": _ip, "crypto": _wallet, "phone": _phone,
}  # fmt: skip
