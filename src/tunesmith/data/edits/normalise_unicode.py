"""Texts whose characters went wrong on their way are put right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from ftfy import TextFixerConfig

VERSION = 1
USES = ("ftfy",)  # their versions are part of the KEY

Fix = Literal["mojibake", "controls", "line_ends", "ligatures", "width", "quotes"]
Form = Literal["NFC", "NFKC", "NFD", "NFKD"]
DEFAULT: tuple[Fix, ...] = ("mojibake", "controls", "line_ends")
# The options of ftfy (Speer 2019, doi 10.5281/zenodo.2591652) that each of our words stands for.
FIXES: dict[Fix, tuple[str, ...]] = {
    "mojibake": (
        "fix_encoding", "restore_byte_a0", "replace_lossy_sequences", "decode_inconsistent_utf8", "fix_c1_controls",
        "fix_surrogates",
    ),
    "controls": ("remove_control_chars", "remove_terminal_escapes"),
    "line_ends": ("fix_line_breaks",),
    "ligatures": ("fix_latin_ligatures",),
    "width": ("fix_character_width",),
    "quotes": ("uncurl_quotes",),
}  # fmt: skip
CONTROLS = r"[\x00-\x08\x0b-\x1f\x7f]"  # the only ASCII characters that any of these changes


def normalise_unicode(texts: pa.StringArray, *, fix: Sequence[Fix] = DEFAULT, form: Form = "NFC") -> pa.StringArray:
    r"""Texts with broken characters mended, invisible ones removed, line ends made \n, in one Unicode normal form.

    `fix` may also name "ligatures" (ﬁ to fi), "width" (full-width Latin letters) and "quotes" (curly to straight).
    These and the forms NFKC and NFKD change what a writer may have meant. HTML entities are left as they are.

    >>> normalise_unicode(pa.array(["schÃ¶n", "one\r\ntwo\x00", "Ame\u0301lie said \u201cﬁne\u201d"])).to_pylist()
    ['schön', 'one\ntwo', 'Amélie said “ﬁne”']
    >>> normalise_unicode(pa.array(["Ａ “ﬁne” day"]), fix=["ligatures", "width", "quotes"]).to_pylist()
    ['A "fine" day']
    >>> normalise_unicode(pa.array(["schÃ¶n", None]), fix=[]).to_pylist()
    ['schÃ¶n', None]
    """
    plain = pc.and_(pc.string_is_ascii(texts), pc.invert(pc.match_substring_regex(texts, CONTROLS)))
    is_right = pc.fill_null(plain, True)
    if pc.all(is_right).as_py() is not False:
        return texts
    from ftfy import fix_text

    config = _config(tuple(fix), form)
    mended = pa.array([fix_text(text, config) for text in texts.filter(pc.invert(is_right)).to_pylist()], pa.string())
    return pc.replace_with_mask(texts, pc.invert(is_right), mended)


@cache
def _config(fix: tuple[Fix, ...], form: Form) -> TextFixerConfig:
    from ftfy import TextFixerConfig

    given = {option: name in fix for name, options in FIXES.items() for option in options}
    return TextFixerConfig(unescape_html=False, normalization=form, explain=False)._replace(**given)
