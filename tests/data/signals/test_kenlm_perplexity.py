"""The signal kenlm_perplexity."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath
from tunesmith.data.signals.kenlm_perplexity import kenlm_perplexity

ARPA = """\\data\\
ngram 1=5
ngram 2=1

\\1-grams:
-99\t<s>\t0
-1\t</s>
-2\t<unk>\t0
-1\tcat\t0
-2\tdog\t0

\\2-grams:
-0.5\tcat dog

\\end\\
"""
needs_kenlm = pytest.mark.skipif(find_spec("kenlm") is None, reason="the package kenlm is not installed")


@pytest.mark.skipif(find_spec("kenlm") is not None, reason="the package kenlm is installed")
def test_without_the_package_the_user_is_told_what_to_install() -> None:
    with pytest.raises(UserError, match="not installed"):
        kenlm_perplexity("a text", model=LocalPath("en.arpa"))


@needs_kenlm
def test_a_model_gives_what_a_hand_computes(tmp_path: Path) -> None:
    (tmp_path / "toy.arpa").write_text(ARPA)
    model = LocalPath(str(tmp_path / "toy.arpa"))
    assert kenlm_perplexity("cat dog", model=model) == pytest.approx(10 ** ((1 + 0.5 + 1) / 3))
    assert kenlm_perplexity("cat\n cat ", model=model) == pytest.approx(10)


@needs_kenlm
def test_a_file_that_is_no_model_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "no.arpa").write_text("nothing")
    with pytest.raises(UserError, match=r"no\.arpa"):
        kenlm_perplexity("cat", model=LocalPath(str(tmp_path / "no.arpa")))
