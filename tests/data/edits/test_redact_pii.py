"""What is redacted, and, as important, what is left alone."""

from __future__ import annotations

from importlib.util import find_spec

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import UserError
from tunesmith.core.record import MESSAGES, message
from tunesmith.core.registry import Named
from tunesmith.data.edits.pseudonymise_pii import pseudonymise_pii
from tunesmith.data.edits.redact_pii import FINEWEB_IPS, KINDS, find, redact, redact_pii
from tunesmith.data.measure import apply
from tunesmith.data.op import Op

ETHEREUM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # from EIP-55
KEY_BLOCK = "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAKj34Gky\nFV2k+Ab9==\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to a.b+c@mail.example.co.uk.", "write to <EMAIL_ADDRESS>."),
        ("jürgen@bücher.example and 'q@w.org'", "<EMAIL_ADDRESS> and '<EMAIL_ADDRESS>'"),
        ("我的邮箱是foo@example.org，谢谢", "我的邮箱是<EMAIL_ADDRESS>，谢谢"),
        ("host 10.1.2.3:8080, then 2001:db8::8a2e:370:7334", "host <IP_ADDRESS>:8080, then <IP_ADDRESS>"),
        ("net 10.1.0.0/16 [fe80::1] ::ffff:192.0.2.1", "net <IP_ADDRESS>/16 [<IP_ADDRESS>] <IP_ADDRESS>"),
        ("pay with 4111-1111-1111-1111 or 371449635398431", "pay with <CREDIT_CARD> or <CREDIT_CARD>"),
        ("exp 4111 1111 1111 1111 12/27", "exp <CREDIT_CARD> 12/27"),
        ("his credit card 9999999999999995", "his credit card <CREDIT_CARD>"),
        ("to GB82 WEST 1234 5698 7654 32 or de89370400440532013000", "to <IBAN_CODE> or <IBAN_CODE>"),
        ("SSN 219-09-9999, social security 219099999", "SSN <US_SSN>, social security <US_SSN>"),
        ("https://jo:pa55w@host.org/x", "https://<URL_CREDENTIALS>@host.org/x"),
        ("GET /a?page=2&access_token=s3cr3tvalue&x=1", "GET /a?page=2&access_token=<URL_CREDENTIALS>&x=1"),
        ("key AKIAIOSFODNN7EXAMPLE leaked", "key <API_KEY> leaked"),
        (f"Authorization: token ghp_{'a1B2' * 9}", "Authorization: token <API_KEY>"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN", "<API_KEY>"),
        ('"api_key": "aB3dE5fG7hI9jK1lM2"', '"api_key": "<API_KEY>"'),
        (f"a\n{KEY_BLOCK}\nb", "a\n<PRIVATE_KEY>\nb"),
        ("-----BEGIN PRIVATE KEY-----\nMIIBOgIB\nand so on", "<PRIVATE_KEY> so on"),
        ("send to 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2.", "send to <CRYPTO>."),
        ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "<CRYPTO>"),
        (f"{ETHEREUM} {ETHEREUM.lower()}", "<CRYPTO> <CRYPTO>"),
    ],
)
def test_identifiers_are_replaced_and_the_words_around_them_stay(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+49 30 901820, tel:+442079460018", "<PHONE_NUMBER>, tel:<PHONE_NUMBER>"),
        ("(212) 555-0187 or 415-555-2671 x12", "<PHONE_NUMBER> or <PHONE_NUMBER>"),
        ("My phone: 0410 787 999.", "My phone: <PHONE_NUMBER>."),
        ("+41 (0)44 668 18 00 at noon", "<PHONE_NUMBER> at noon"),
        ("8 (495) 123-45-67", "<PHONE_NUMBER>"),
        ("手机13800138000。", "手机<PHONE_NUMBER>。"),
        ("电话１３８００１３８０００", "电话<PHONE_NUMBER>"),
        ("Телефон: 912 345-67-89", "Телефон: <PHONE_NUMBER>"),
        ("Jo Novak\nPlumber\n21 284 698 2548\nHigh Street", "Jo Novak\nPlumber\n<PHONE_NUMBER>\nHigh Street"),
        ("212\u2011555\u20110187 with no-break hyphens", "<PHONE_NUMBER> with no-break hyphens"),
        ("+41\u00a044\u00a0668\u00a018\u00a000", "<PHONE_NUMBER>"),
        ("28 64 66 98 12 (fax)", "<PHONE_NUMBER> (fax)"),
    ],
)
def test_phone_numbers_are_found_by_their_form_or_by_a_word_beside_them(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "version 1.2.3, v1.2.3.4 and release 10.0.0.1",
        "libfoo (>= 1.20.3.4) and nginx/1.20.3.4, 12.2.3.4-rc1, 1.2.3.4",
        "order number 123-456-7890, invoice 5105 1051 0510 5101",
        "order 4111 1111 1111 1112 has a wrong check digit",
        "pi is 3.141592653589793 and the time 1700000000000",
        "ISBN 978-3-16-148410-0, on 2026-11-23 at 12:30:45 or 20261123 123045",
        "std::vector<a::b> at ::1, 127.0.0.1 and 0.0.0.0",
        "icon@2x.png, pkg@1.2.3, git@github.com:org/repo, @mention, a@b, getty@tty1.service, x@self.y()",
        "999.999.999.999 and 256.1.1.1",
        "1234567890 items, 699 956 915 people, 1 234 567 890 grains",
        "00:1a:2b:3c:4d:5e, 00:11:22:33:44:55:66:77 and 123e4567-e89b-12d3-a456-426614174000",
        "Boston, MA 02110-1301 USA, 1990-1995, 01.02.2003 04:05",
        "1 12 123 1234 12345\n03 49 13 36 65 70 11 42\n88 30 03 49 13 36 65 52 70",
        "GB82 WEST 1234 5698 7654 33 and DE8937040044053201300",
        "000-12-3456, 666-12-3456, 912-12-3456, 123-00-4567, 123-45-0000, part no. 123-45-6789",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3 bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp",
        f"{ETHEREUM[:-1]}D 0x0000000000000000000000000000000000000001",
        "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709, $100,200,300.40, 40.712812, -74.006012",
        "http://host.org:8080/x?page=2&token=abc&key=value, mailto:x",
        "password = 'process.env.PASSWORD1', sha256: \"e3b0c44298fc1c149afbf4c8996fb924\"",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "AKIA is a prefix, sk-learn and ghp_short too",
    ],
)
def test_what_only_looks_like_an_identifier_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_only_the_kinds_that_are_asked_for_are_redacted() -> None:
    text = "a@b.org from 10.1.2.3"
    assert redact(text, ["ip"]) == "a@b.org from <IP_ADDRESS>"
    assert redact_pii(pa.array([text]), kinds=[]).to_pylist() == [text]


def test_a_batch_keeps_its_nulls_and_the_texts_that_hold_nothing() -> None:
    texts = pa.array(["dropped a@b.org", "plain", None, "mail a@b.org", "", "5 äpples"])[1:]
    assert redact_pii(texts).to_pylist() == ["plain", None, "mail <EMAIL_ADDRESS>", "", "5 äpples"]
    assert redact_pii(texts[:2]).to_pylist() == ["plain", None]
    assert redact_pii(pa.array([], pa.string())).to_pylist() == []


def test_places_are_counted_in_characters_whatever_stands_before() -> None:
    text = "über 👍 jo@example.org"
    assert find(text) == [(7, 21, "email")]
    assert text[7:21] == "jo@example.org"


def test_a_password_in_a_url_is_no_mail_address() -> None:
    assert find("ftp://jo:pw@files.example.org") == [(6, 11, "url_credentials")]


def test_the_forms_of_fineweb_and_dolma_can_be_chosen() -> None:
    texts = pa.array(["a@b.org at 93.184.216.34, SSN 219-09-9999"])
    dolma = redact_pii(texts, placeholder="dolma").to_pylist()
    assert dolma == ["|||EMAIL_ADDRESS||| at |||IP_ADDRESS|||, SSN |||US_SSN|||"]
    fineweb = redact_pii(texts, placeholder="fineweb")
    first, _, rest = str(fineweb[0]).partition(" at ")
    assert first == "email@example.com"
    assert rest.removesuffix(", SSN <US_SSN>") in FINEWEB_IPS
    assert redact_pii(fineweb, placeholder="fineweb") == fineweb


EVERYTHING = (
    f"call +49 30 901820 or mail a@b.org, card 4111 1111 1111 1111 at 10.1.2.3, {ETHEREUM}, SSN 219-09-9999,"
    f" GB82 WEST 1234 5698 7654 32, https://a:b@c.org, AKIAIOSFODNN7EXAMPLE {KEY_BLOCK}"
)


@pytest.mark.parametrize("style", ["presidio", "fineweb", "dolma"])
def test_redacting_twice_changes_nothing_more(style: str) -> None:
    assert {kind for _, _, kind in find(EVERYTHING)} == set(KINDS)
    once = redact_pii(pa.array([EVERYTHING]), placeholder=style)  # type: ignore[arg-type]  # one of the styles
    assert redact_pii(once, placeholder=style) == once  # type: ignore[arg-type]


# The same examples each time: of a text such as "30 901820 call 901820 4111" a second pass finds more (docs/pii.md).
@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.sampled_from(EVERYTHING.split()), st.text(max_size=12)), max_size=12))
def test_any_text_is_redacted_once_and_for_all(pieces: list[str]) -> None:
    once = redact(" ".join(pieces))
    assert redact(once) == once


def test_every_text_of_a_record_is_redacted() -> None:
    turns = [message("user", "I am a@b.org"), message("assistant", "noted")]
    batch = pa.RecordBatch.from_pydict(
        {"id": ["1"], "target": ["c@d.org"], "messages": pa.array([turns], MESSAGES),
         "chosen": pa.array([turns], MESSAGES), "rejected": pa.array([turns], MESSAGES)}
    )  # fmt: skip
    row = apply(batch, [Op("edit", Named("edit", "redact_pii"), "redact_pii")]).batch.to_pylist()[0]
    assert row["target"] == "<EMAIL_ADDRESS>"
    for column in ("messages", "chosen", "rejected"):
        assert [turn["content"] for turn in row[column]] == ["I am <EMAIL_ADDRESS>", "noted"]


def test_a_pseudonym_is_the_same_in_all_of_a_record_and_starts_anew_in_the_next() -> None:
    turns = [message("user", "a@b.org or c@d.org?"), message("assistant", "C@D.org, at 10.1.2.3")]
    batch = pa.RecordBatch.from_pydict({"id": ["1", "2"], "messages": pa.array([turns, turns[1:]], MESSAGES)})
    rows = apply(batch, [Op("edit", Named("edit", "pseudonymise_pii"), "p")]).batch.to_pylist()
    told = [[turn["content"] for turn in row["messages"]] for row in rows]
    assert told[0] == ["<EMAIL_ADDRESS_1> or <EMAIL_ADDRESS_2>?", "<EMAIL_ADDRESS_2>, at <IP_ADDRESS_1>"]
    assert told[1] == ["<EMAIL_ADDRESS_1>, at <IP_ADDRESS_1>"]
    assert pseudonymise_pii({"text": None, "messages": None}) == {}


@pytest.mark.skipif(find_spec("presidio_analyzer") is not None, reason="Presidio is installed here")
def test_names_without_presidio_are_a_mistake_with_the_line_that_installs_it() -> None:
    with pytest.raises(UserError, match="not installed") as told:
        redact_pii(pa.array(["Jo Novak"]), entities=["PERSON"])
    assert "pip install presidio-analyzer" in told.value.hint
