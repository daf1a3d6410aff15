"""Share of a text that is code."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

VERSION = 1

FENCE = r"^\s*(?:```|~~~)"
CODE = "|".join(
    [
        r"^\s*(?:async\s+)?(?:def|fn|func|function|sub)\s+[\w.$]+\s*[(<{]",
        r"^\s*(?:class|struct|enum|interface|trait|namespace)\s+\w+[\w\s.,<>:()]*[:({]$",
        r"^\s*(?:import|using|use|package)\s+[\w.:*]+(?:\s+as\s+\w+)?;?$",
        r"^\s*from\s+[\w.]+\s+import\s",
        r"^\s*#\s*(?:include|define|ifn?def|endif|pragma)\b",
        r"^\s*#!/",
        r"^\s*@\w[\w.]*(?:\(.*\))?$",
        r"^\s*(?:if|elif|else|for|foreach|while|with|try|except|catch|finally|switch|case|do)\b.*[{:]$",
        r"^\s*(?:return|yield|raise|throw|assert|del)(?:\s+\S*[\w)\]\"'];?|\b.*(?:\w[(\[]|[{=\"_+*]).*)?$",
        r"^\s*(?:break|continue|pass|fi|done|end)$",
        r"^\s*(?:const|let|var|val|public|private|protected|static|final|export)\s.*[=;({]",
        r"^\s*[\w.$]+(?:\[[^\]]*\])?(?:\s*[,:]\s*[\w.$\[\]|]+)*\s*(?:[-+*/%&|^:]|<<|>>|\*\*|//)?=(?:[^=]|$)",
        r"^\s*(?:await\s+)?[\w.$]*[\w$]\(.*\)[;:{]?$",
        r"^\s*[)}\]]+[;,:{(\s]*$",
        r"(?:[{}]|\w[\w\])]*(?:\(|\+\+|--|->|\.\w|=|\s=).*;)$",
        r"^\s*(?:int|float|double|char|bool|void|unsigned|long|auto|string)\s+[\w*&\[\], ]+;$",
        r"^\s*(?://|/\*|\*/|>>>|\$ )",
        r"^\s*</?\w+(?:\s[^>]*)?/?>",
        r"""^\s*["'][\w-]+["']\s*:\s""",
    ]
)


def code_ratio(texts: pa.StringArray) -> NDArray[np.float64]:
    r"""Share of the characters of a text that stand on lines of code: between fences (```), or that look like code.

    A line looks like code by how it begins (def f(, import os, x = 1) or ends ({ or ;). Comments and texts in quotes
    inside code look like prose and are not counted, so that a plain source file has about 0.6 to 0.9.

    >>> code_ratio(pa.array(["Use it so:\n```\nprint(1)\n```"])).round(2).tolist()
    [0.58]
    >>> code_ratio(pa.array(["for (;;) {\n}", "It rains; we stay."])).tolist()
    [1.0, 0.0]
    >>> code_ratio(pa.array(["", None])).tolist()
    [nan, nan]
    """
    lists = pc.split_pattern(texts.fill_null(""), "\n")
    lines = pc.utf8_rtrim_whitespace(lists.flatten())
    rows = np.repeat(np.arange(len(texts)), pc.list_value_length(lists).to_numpy())
    sizes = pc.utf8_length(pc.utf8_trim_whitespace(lines)).to_numpy()
    is_fence = pc.match_substring_regex(lines, FENCE).to_numpy(zero_copy_only=False)
    fences = np.cumsum(is_fence)
    first = np.searchsorted(rows, rows)  # of each line's text
    is_inside = (fences - fences[first] + is_fence[first]) % 2 == 1
    is_code = is_inside | is_fence | pc.match_substring_regex(lines, CODE).to_numpy(zero_copy_only=False)
    wholes = np.bincount(rows, sizes, len(texts))
    return np.where(wholes > 0, np.bincount(rows, sizes * is_code, len(texts)) / np.maximum(wholes, 1), np.nan)
