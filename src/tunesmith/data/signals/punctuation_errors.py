"""Punctuation that is doubled, misplaced, unbalanced or stray."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.data.kernels.punctuation import FRENCH_WORDS, errors, kinds
from tunesmith.data.views import bytes_of

VERSION = 1


def punctuation_errors(texts: pa.StringArray) -> NDArray[np.float64]:
    r"""Punctuation errors per 100 characters: marks that are doubled, misplaced, stray, missing a space or a partner.

    | error | counted | not counted |
    |---|---|---|
    | a mark apart | `word , word`, `why ?` | ellipses `. . .`, French ` ?`, `a : b` |
    | doubled marks | `a,, b`, `a; . b`, `end..`, `!,` | `...`, `?!`, `!!`, `etc.,`, `a::b` |
    | a mark inside a word, no space behind it | `le,tter`, `one;two`, `co!d` | `1,000`, `e.g.`, `a.txt`, `12:30` |
    | a mark before a word | `,word` | `.gitignore`, `:smile:` |
    | a stray sign at a letter | `~be`, `mar~ket`, `wi|l` | bullets, `~5`, tables `a | b` |
    | a bracket or `"` without its partner | `(word`, `word]`, `"word` | `1) one`, `:-)` |

    Addresses, paths, formulas, identifiers (anything with one of `@ _ / \ = < > $ # % & * +` in it) and blocks between
    ``` are passed over, but for their brackets. Full stops inside words are not counted, as names, files and
    abbreviations have them, nor single quotes, which are apostrophes too. Space before ; : ! ? is no error
    after a no-break space, nor in a text with many of the commonest words of French.

    >>> punctuation_errors(pa.array(["Well , this is,, as they say, bro,ken."])).round(1).tolist()
    [7.9]
    >>> punctuation_errors(pa.array(["Really?! It costs 1,000.50 (see a.txt, e.g. http://a.b/c;d)... so :-)"])).tolist()
    [0.0]
    >>> punctuation_errors(pa.array(["Où est la gare ? Dans le centre, et les trains ?", "Where ?"])).round(1).tolist()
    [0.0, 14.3]
    >>> punctuation_errors(pa.array(["", None])).tolist()
    [nan, nan]
    """
    data, offsets = bytes_of(texts)
    found, sizes = errors(data, offsets, kinds(), FRENCH_WORDS)
    return np.where(sizes > 0, 100 * found / np.maximum(sizes, 1), np.nan)
