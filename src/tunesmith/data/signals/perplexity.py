"""How surprising a text is to a small language model that was trained on the corpus itself, or on a reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.core.record import Fitted, LocalPath
from tunesmith.data.arrays import arrow
from tunesmith.data.files import expand, open_bytes
from tunesmith.data.kernels import kneser_ney as lm
from tunesmith.data.views import bytes_of

VERSION = 1

SAMPLE = 32_000_000  # bytes of text that a model learns from at most
LONGEST = 1_000_000  # characters of one text that it learns from
NGRAMS = 1_000_000  # that a model keeps, 12 bytes each
KINDS = 60_000  # of characters that it knows
CODE_POINTS = 0x110000
HALVING = np.uint64(0xFFFFFFFF)  # the bits of a hash that say to which half a text belongs; the upper ones sample
FOLDED = 0x20000  # no sign above has a case, or is a mark or a digit that matters here
EDGE, UNKNOWN, FIRST = 0, 1, 2  # symbols: what stands around texts and words, a character never seen, the first known
LIKE = {"'": "‘’‚‛′´`", '"': "“”„‟«»″", "-": "‐‑‒–—―"}  # typography is no matter of quality


def perplexity(
    texts: pa.StringArray,
    *,
    model: Fitted,
    reference: LocalPath | None = None,
    reach: Literal["word", "text"] = "word",
    order: int = 6,
) -> NDArray[np.float64]:
    """Perplexity of a text, per character, under a small language model trained on the corpus itself or a reference.

    The model is one of characters, with modified Kneser-Ney smoothing, `order` characters long; capitals count as small
    letters, all digits and all forms of quotation marks and of dashes as one. With `reach: word` a character depends
    on those before it in its word, and each distinct word is learnt about log2 of its count times: that tells broken
    text from whole, whatever it speaks about. With `reach: text` it depends on the words before as well, so the style
    and the subject count too.

    `reference:` is a text file or a folder of them. Without it the model learns from the corpus, and never from the
    text that it measures: one half of the distinct texts is measured by a model of the other. A text is not measured
    where it is empty or there is nothing to learn from.

    >>> from tempfile import mkdtemp
    >>> corpus = pa.array([f"the {animal} sat on the mat" for animal in ("cat", "dog", "rat", "hen", "pig", "cow")])
    >>> fit(iter([corpus]), Path(folder := mkdtemp()))
    >>> whole, broken = perplexity(pa.array(["the mat on the cat", "tlie nnat 0n tbe ca1"]), model=Fitted(folder))
    >>> bool(broken > 2 * whole)
    True
    >>> perplexity(pa.array(["", None]), model=Fitted(folder)).tolist()
    [nan, nan]
    """
    halves, line = _loaded(model)
    data, offsets = bytes_of(texts)
    if len(halves) == 1:
        return halves[0].perplexities(data, offsets)
    is_lower = _is_lower(lm.hashes(data, offsets), line)
    result = np.empty(len(texts))
    for half, mine in zip(halves, (is_lower, ~is_lower), strict=True):
        result[mine] = half.perplexities(*bytes_of(texts.filter(arrow(mine))))
    return result


def fit(
    texts: Iterator[pa.StringArray],
    folder: Path,
    *,
    reference: LocalPath | None = None,
    reach: Literal["word", "text"] = "word",
    order: int = 6,
) -> None:
    """Train the model, or the two that measure one another's half, on a sample that depends on the texts alone."""
    if not 1 <= order <= 20:
        raise UserError(f"perplexity: order {order} is not between 1 and 20.", "The default is 6.")
    found = _sample(texts if reference is None else _read(Path(reference)))
    keys = np.array(list(found), np.uint64)
    line = 0 if reference else int(np.median(keys & HALVING)) if len(keys) else 0
    is_lower = _is_lower(keys, line)
    parts = [~is_lower] if reference else [~is_lower, is_lower]  # what the lower half is measured with comes first
    for number, part in enumerate(parts):
        learnt = [text for text, mine in zip(found.values(), part, strict=True) if mine]
        ngrams, symbols = _trained(learnt, reach, order)
        facts = np.array([ngrams.order, ngrams.lowest, line])
        learnt_arrays = {"facts": facts, "keys": ngrams.keys, "values": ngrams.values, "symbols": symbols}
        np.savez_compressed(folder / f"model{number}.npz", allow_pickle=False, **learnt_arrays)


@dataclass(frozen=True)
class _Learnt:
    """A model ready to measure."""

    slots: NDArray[np.uint64]
    symbols: NDArray[np.uint16]  # of each code point
    order: int
    lowest: float

    def perplexities(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
        """The perplexity of each text; NaN where there is nothing to measure or nothing was learnt."""
        symbols, bounds = lm.symbols_of(data, offsets, self.symbols)
        # A character never seen is one of Unicode's, so that a text of them is no likelier than any other.
        extra = np.zeros(1 << 16)
        extra[UNKNOWN] = -np.log(CODE_POINTS)
        sums = lm.log_probabilities(symbols, bounds, self.slots, self.order, self.lowest, extra)
        counts = np.diff(bounds) - 1  # without what stands before the text, which is given
        is_measured = (counts > 1) & bool(np.any(self.slots))
        return np.where(is_measured, np.exp(-sums / np.maximum(counts, 1)), np.nan)


@cache
def _loaded(folder: Fitted) -> tuple[list[_Learnt], int]:
    models, line = [], 0
    for path in sorted(Path(folder).glob("model?.npz")):
        with np.load(path, allow_pickle=False) as stored:
            order, lowest, line = stored["facts"].tolist()
            ngrams = lm.Model(int(order), lowest, stored["keys"], stored["values"])
            models.append(_Learnt(ngrams.table(), stored["symbols"], ngrams.order, ngrams.lowest))
    return models, int(line)


def _is_lower(keys: NDArray[np.uint64], line: int) -> NDArray[np.bool_]:
    return (keys & HALVING) < np.uint64(line)


def _sample(batches: Iterator[pa.StringArray]) -> dict[int, str]:
    """The distinct texts by their hash: all, or those of the lowest hashes, whatever order they come in."""
    found: dict[int, str] = {}
    size, highest = 0, np.uint64(2**64 - 1)
    for batch in batches:
        keys = lm.hashes(*bytes_of(batch))
        near = pc.and_(pc.is_valid(batch), arrow(keys <= highest))
        new = dict(zip(keys[near.to_numpy(zero_copy_only=False)].tolist(), batch.filter(near).to_pylist(), strict=True))
        found |= {key: text[:LONGEST] for key, text in new.items() if key not in found}
        size += sum(len(text) for text in new.values())
        if size > 2 * SAMPLE:
            found = _lowest(found)
            size, highest = SAMPLE, np.uint64(max(found))
    return _lowest(found)


def _lowest(found: dict[int, str]) -> dict[int, str]:
    keys = sorted(found)
    sizes = np.cumsum([len(found[key]) for key in keys])
    return {key: found[key] for key, size in zip(keys, sizes, strict=True) if size <= SAMPLE}


def _read(path: Path) -> Iterator[pa.StringArray]:
    """The reference: each file a text, in pieces that are not too long."""
    for file in expand(str(path), path.parent):
        with open_bytes(file) as stream:
            text = stream.read(SAMPLE).decode("utf-8", "replace")
        yield pa.array([text[start : start + LONGEST] for start in range(0, len(text), LONGEST)], pa.string())


def _trained(texts: list[str], reach: str, order: int) -> tuple[lm.Model, NDArray[np.uint16]]:
    """The n-grams of these texts, and the symbol of each code point."""
    symbols, kinds = _alphabet(texts, reach)
    made = lm.symbols_of(*bytes_of(pa.array(texts, pa.string())), symbols)[0]
    stream = np.append(np.zeros(1, np.uint16), made[1:][(made[1:] != EDGE) | (made[:-1] != EDGE)])
    return lm.train(lm.words_weighed(stream) if reach == "word" else stream, order, kinds, NGRAMS), symbols


def _alphabet(texts: list[str], reach: str) -> tuple[NDArray[np.uint16], int]:
    """The symbol of each code point, and how many symbols there are: the commonest characters have one of their own."""
    counts = np.zeros(CODE_POINTS, np.int64)
    for start in range(0, len(texts), 1000):
        codes = np.frombuffer("".join(texts[start : start + 1000]).encode("utf-32-le"), np.uint32)
        counts += np.bincount(_folded()[codes], minlength=CODE_POINTS)
    counts[[32] if reach == "word" else []] = 0
    common = np.argsort(-counts, kind="stable")[:KINDS]
    common = common[counts[common] > 1]  # what was seen once teaches what an unknown character is like
    own = np.full(CODE_POINTS, UNKNOWN, np.uint16)
    own[common] = np.arange(FIRST, FIRST + len(common))
    own[32] = EDGE if reach == "word" else own[32]
    return own[_folded()], FIRST + len(common)


@cache
def _folded() -> NDArray[np.uint32]:
    """The code point that each code point counts as."""
    table = np.arange(CODE_POINTS, dtype=np.uint32)
    for code in range(FOLDED):
        sign = chr(code)
        small = sign.lower()
        table[code] = ord(" " if sign.isspace() else "0" if sign.isdecimal() else small if len(small) == 1 else sign)
    for sign, others in LIKE.items():
        table[[ord(other) for other in others]] = ord(sign)
    return table
