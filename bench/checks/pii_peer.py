"""Presidio's pattern recognisers on texts from standard input, for pii.py: run by the Python of its own environment.

A blank spaCy pipeline gives it tokens and nothing else: no names, no lemmas for its context words.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ENTITIES = ("EMAIL_ADDRESS", "PHONE_NUMBER", "US_SSN", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS")


def main() -> None:
    """Write what it finds in each text, and how long it took for each."""
    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    given = json.load(sys.stdin)
    with TemporaryDirectory() as folder:
        spacy.blank("en").to_disk(Path(folder))
        model = {"lang_code": "en", "model_name": folder}
        nlp = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": [model]}).create_engine()
        engine = AnalyzerEngine(nlp_engine=nlp, supported_languages=["en"])
    engine.analyze("Warm up: jo@example.org.", language="en")
    found, seconds = [], []
    for text in given:
        started = time.perf_counter()
        results = engine.analyze(text, language="en", entities=list(ENTITIES))
        seconds.append(time.perf_counter() - started)
        found.append([[item.start, item.end, item.entity_type, item.score] for item in results])
    json.dump({"found": found, "seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    main()
