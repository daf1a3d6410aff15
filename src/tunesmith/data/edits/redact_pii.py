"""Personal identifiers and secrets that can be told by their form and their checksums, and placeholders for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.data.identifiers import KINDS, Finds, Kind, finds

__all__ = ["KINDS", "Kind", "find", "redact", "redact_pii"]
VERSION = 2

Style = Literal["presidio", "fineweb", "dolma"]
# Presidio's names where it has one (github.com/microsoft/presidio, supported entities).
NAMES: dict[Kind, str] = {
    "email": "EMAIL_ADDRESS", "phone": "PHONE_NUMBER", "ssn": "US_SSN", "card": "CREDIT_CARD", "iban": "IBAN_CODE",
    "ip": "IP_ADDRESS", "url_credentials": "URL_CREDENTIALS", "api_key": "API_KEY", "private_key": "PRIVATE_KEY",
    "crypto": "CRYPTO",
}  # fmt: skip
FINEWEB_EMAIL = "email@example.com"
FINEWEB_IPS = (  # addresses that nobody answered at when datatrove chose them
    "22.214.171.124", "126.96.36.199", "188.8.131.52", "184.108.40.206", "220.127.116.11", "18.104.22.168",
)  # fmt: skip


def redact_pii(
    texts: pa.StringArray,
    *,
    kinds: Sequence[Kind] = KINDS,
    placeholder: Style = "presidio",
    entities: Sequence[str] = (),
    entity_model: str = "en_core_web_lg",
) -> pa.StringArray:
    """Put placeholders such as <EMAIL_ADDRESS> in the place of personal identifiers, account numbers, keys and secrets.

    A card needs a right check digit and an issuer's prefix, an IBAN its country's length and checksum, a wallet its
    checksum; an IP address is that of some host; a phone number needs a form that only phone numbers have, or a word
    beside it that says so. Versions, dates and order numbers are left alone. `placeholder` is presidio
    (<EMAIL_ADDRESS>), dolma (|||EMAIL_ADDRESS|||) or fineweb (email@example.com and fixed IP addresses; other kinds as
    presidio); the edit pseudonymise_pii numbers them instead. `entities` such as PERSON and LOCATION are found by
    Presidio with a spaCy model, if both are installed.

    >>> redact_pii(pa.array(["Mail jo@example.org or call +44 20 7946 0018."])).to_pylist()
    ['Mail <EMAIL_ADDRESS> or call <PHONE_NUMBER>.']
    >>> redact_pii(pa.array(["Card 4111 1111 1111 1111, order 4111 1111 1111 1112."])).to_pylist()
    ['Card <CREDIT_CARD>, order 4111 1111 1111 1112.']
    >>> redact_pii(pa.array(["From 203.0.113.9 with version 1.2.3"]), kinds=["ip"], placeholder="dolma").to_pylist()
    ['From |||IP_ADDRESS||| with version 1.2.3']
    """
    if kinds:
        found = finds(texts, kinds)
        texts = found.replaced(*_pieces(found, placeholder))
    if entities:
        given = texts.to_pylist()
        texts = pa.array([_without_entities(text, entities, entity_model, placeholder) for text in given], pa.string())
    return texts


def redact(text: str, kinds: Sequence[Kind] = KINDS) -> str:
    """One text with placeholders in the places that `find` finds."""
    return str(redact_pii(pa.array([text], pa.string()), kinds=kinds)[0])


def find(text: str, kinds: Sequence[Kind] = KINDS) -> list[tuple[int, int, Kind]]:
    """Where identifiers of these kinds stand in a text: start, end and kind, in order and without overlaps."""
    return finds(pa.array([text], pa.string()), kinds).spans(0)


def _pieces(found: Finds, style: Style) -> tuple[NDArray[np.int64], list[str]]:
    """Which placeholder stands for each find, and the placeholders."""
    pieces = [_placed(NAMES[name], style) for name in found.names]
    if style != "fineweb":
        return found.kinds, pieces
    pieces[found.names.index("email")] = FINEWEB_EMAIL
    which, first_ip = found.kinds.copy(), len(pieces)
    for place in np.flatnonzero(which == found.names.index("ip")):
        value = found.value(int(place))
        known = FINEWEB_IPS.index(value) if value in FINEWEB_IPS else sum(value.encode()) % len(FINEWEB_IPS)
        which[place] = first_ip + known
    return which, [*pieces, *FINEWEB_IPS]


def _placed(name: str, style: Style) -> str:
    return f"|||{name}|||" if style == "dolma" else f"<{name}>"


def _without_entities(text: str | None, entities: Sequence[str], model: str, style: Style) -> str | None:
    """A text with placeholders for the names that Presidio finds; of two that overlap, the one that begins first."""
    if text is None:
        return None
    parts, end = [], 0
    results = _analyzer(model)(text, entities=list(entities))
    for item in sorted(results, key=lambda item: (item.start, -item.end)):
        if item.start >= end:
            parts += [text[end : item.start], _placed(item.entity_type, style)]
            end = item.end
    return "".join([*parts, text[end:]])


@cache
def _analyzer(model: str) -> Callable[..., Any]:
    """Presidio with a spaCy model that is on this machine; nothing is downloaded."""
    hint = f"pip install presidio-analyzer spacy; python -m spacy download {model}. Or leave `entities` out."
    try:
        presidio, spacy = import_module("presidio_analyzer"), import_module("spacy")
    except ImportError:
        raise UserError("redact_pii: `entities` needs Presidio and spaCy, which are not installed.", hint) from None
    if not (spacy.util.is_package(model) or Path(model).is_dir()):
        raise UserError(f"redact_pii: there is no spaCy model {model!r} on this machine.", hint)
    language = spacy.load(model).lang
    models = [{"lang_code": language, "model_name": model}]
    provider = import_module("presidio_analyzer.nlp_engine").NlpEngineProvider(
        nlp_configuration={"nlp_engine_name": "spacy", "models": models}
    )
    engine = presidio.AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=[language])
    return partial(engine.analyze, language=language)
