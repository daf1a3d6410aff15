"""fastText's classifiers (.bin and .ftz; Joulin et al. 2016): read a file, label a batch of texts as fastText does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray
from scipy.special import expit, softmax

from tunesmith.core.errors import UserError
from tunesmith.data.kernels.windows import Bounds, Bytes, windows

MAGIC, VERSION, SUPERVISED = 793712314, 12, 3
HIERARCHICAL, SOFTMAX = 1, 3  # losses; the others (negative sampling, one against all) answer each label by itself
# The whole numbers of 32 bits that a file begins with, in its order.
ARGUMENTS = (
    *("dim", "window", "epochs", "min_count", "negatives", "word_ngrams", "loss"),
    *("model", "buckets", "shortest", "longest", "rate"),
)
CODEWORDS = 256  # of each part of a quantised vector
LABEL = "__label__"
END = b"</s>"  # fastText reads one at the end of each text
START = np.uint32(2166136261)  # of the hash
Floats = NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Model:
    """A model as arrays; `rows` holds the vectors of words, then those of letter n-grams by bucket."""

    labels: tuple[str, ...]
    label_counts: tuple[int, ...]
    words: Bytes  # the UTF-8 of all words, one after the other
    word_bounds: Bounds
    word_slots: NDArray[np.int32]  # an open-addressed table by hash: a word's number, or -1
    end: int  # the number of the word that ends each text, or -1
    rows: Floats
    row_of_bucket: NDArray[np.int32]  # -1 where it was pruned
    lengths: tuple[int, int]  # shortest and longest letter n-gram
    outputs: Floats
    loss: int


def labelled(texts: pa.StringArray, characters: int, path: str) -> tuple[tuple[str, ...], Floats]:
    """The labels, and for each text the probability of each; all zero where the model knows nothing of the text."""
    model = load(path)
    data, begins, ends = windows(texts, characters)
    scores = np.zeros((len(texts), len(model.labels)), np.float32)
    found = np.zeros(len(texts), np.int64)
    tables = (model.words, model.word_bounds, model.word_slots, model.row_of_bucket)
    _score(data, begins, ends, *tables, *model.lengths, model.end, model.rows, model.outputs, scores, found)
    return model.labels, _shares(model, scores) * (found > 0)[:, None]


@cache
def load(path: str) -> Model:
    """Read a model file; raises UserError if it is none that can be used."""
    with Path(path).open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as file:
        if _numbers(file, np.int32, 2).tolist() != [MAGIC, VERSION]:
            raise UserError(f"{path} is no fastText model of version {VERSION}.", "Such files end in .bin or .ftz.")
        given = dict(zip(ARGUMENTS, _numbers(file, np.int32, len(ARGUMENTS)).tolist(), strict=True))
        _numbers(file, np.float64, 1)  # the sampling threshold, of training only
        if given["model"] != SUPERVISED or given["word_ngrams"] > 1:
            raise UserError(f"{path} is no classifier over words and letters.", "lid.176.ftz and GlotLID are.")
        return _read(file, given)


def _read(file: mmap, given: dict[str, int]) -> Model:
    size, words_count, *_ = _numbers(file, np.int32, 3).tolist()
    _, pruned = _numbers(file, np.int64, 2).tolist()
    words, labels = _entries(file, size)
    row_of_bucket = _buckets(_numbers(file, np.int32, 2 * max(pruned, 0)), pruned, given["buckets"], words_count)
    is_quantised = bool(_numbers(file, np.uint8, 1)[0])
    rows = _quantised(file) if is_quantised else _dense(file)
    is_quantised_too = bool(_numbers(file, np.uint8, 1)[0])
    outputs = _quantised(file) if is_quantised and is_quantised_too else _dense(file)
    bounds = np.cumsum([0, *map(len, words)], dtype=np.int64)
    spelt = np.frombuffer(b"".join(words), np.uint8)
    return Model(
        tuple(name.decode().removeprefix(LABEL) for name, _ in labels),
        tuple(count for _, count in labels),
        spelt,
        bounds,
        _slots(spelt, bounds),
        words.index(END) if END in words else -1,
        rows,
        row_of_bucket,
        (given["shortest"], given["longest"]),
        outputs,
        given["loss"],
    )


def _numbers(file: mmap, kind: type[Number], count: int) -> NDArray[Number]:
    return np.frombuffer(file.read(count * np.dtype(kind).itemsize), kind, count)


def _entries(file: mmap, size: int) -> tuple[list[bytes], list[tuple[bytes, int]]]:
    """The words, and the labels with their counts."""
    words, labels = [], []
    for _ in range(size):
        name = file.read(file.find(b"\0") - file.tell())
        file.read(1)
        count, is_label = int(_numbers(file, np.int64, 1)[0]), bool(_numbers(file, np.uint8, 1)[0])
        if is_label:
            labels.append((name, count))
        else:
            words.append(name)
    return words, labels


def _buckets(pairs: NDArray[np.int32], pruned: int, buckets: int, words: int) -> NDArray[np.int32]:
    """The row of each bucket: that behind the words, or where pruning put it."""
    if pruned < 0:
        return np.arange(words, words + buckets, dtype=np.int32)
    rows = np.full(buckets, -1, np.int32)
    rows[pairs[::2]] = pairs[1::2] + words
    return rows


def _dense(file: mmap) -> Floats:
    height, width = _numbers(file, np.int64, 2).tolist()
    return _numbers(file, np.float32, height * width).reshape(height, width)


def _quantised(file: mmap) -> Floats:
    """A matrix kept as the numbers of codewords, each for a few of the columns (Jegou et al. 2011)."""
    has_norms = bool(_numbers(file, np.uint8, 1)[0])
    height, _ = _numbers(file, np.int64, 2).tolist()
    codes = _numbers(file, np.uint8, int(_numbers(file, np.int32, 1)[0])).reshape(height, -1)
    matrix = _looked_up(file, codes)
    return matrix * _looked_up(file, _numbers(file, np.uint8, height)[:, None]) if has_norms else matrix


def _looked_up(file: mmap, codes: Bytes) -> Floats:
    width, parts, each, last = _numbers(file, np.int32, 4).tolist()
    words = _numbers(file, np.float32, CODEWORDS * width)
    bounds = [*range(0, parts * each, each), (parts - 1) * each + last]
    columns = [words[CODEWORDS * low : CODEWORDS * high].reshape(CODEWORDS, -1) for low, high in pairwise(bounds)]
    vectors: Floats = np.hstack([column[codes[:, part]] for part, column in enumerate(columns)])
    return vectors


def _shares(model: Model, scores: Floats) -> Floats:
    if model.loss == HIERARCHICAL:
        return _down_the_tree(model.label_counts, expit(scores))
    shares: Floats = softmax(scores, axis=1) if model.loss == SOFTMAX else expit(scores)
    return shares


def _down_the_tree(counts: tuple[int, ...], right: Floats) -> Floats:
    """The probability of each label: the product of the turns that lead to it from the root."""
    leaves = len(counts)
    reached = np.zeros((len(right), 2 * leaves - 1), np.float32)
    reached[:, -1] = 1
    for node, (on_left, on_right) in reversed(list(enumerate(_tree(counts), leaves))):
        reached[:, on_left] = reached[:, node] * (1 - right[:, node - leaves])
        reached[:, on_right] = reached[:, node] * right[:, node - leaves]
    return reached[:, :leaves]


@cache
def _tree(counts: tuple[int, ...]) -> list[tuple[int, int]]:
    """What is on the left and on the right of each inner node of the Huffman tree over labels, commonest first."""
    weights, children = list(counts), []
    leaf, node = len(counts) - 1, len(counts)
    for _ in range(len(counts) - 1):
        pair = []
        for _ in range(2):
            if leaf >= 0 and (node >= len(weights) or weights[leaf] < weights[node]):
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(node)
                node += 1
        children.append((pair[0], pair[1]))
        weights.append(weights[pair[0]] + weights[pair[1]])
    return children


def _slots(words: Bytes, bounds: Bounds) -> NDArray[np.int32]:
    slots = np.full(4 * len(bounds), -1, np.int32)
    _fill(words, bounds, slots)
    return slots


@njit(cache=True, nogil=True)
def _fill(words: Bytes, bounds: Bounds, slots: NDArray[np.int32]) -> None:
    for word in range(len(bounds) - 1):
        slots[_slot(words, bounds, slots, words, bounds[word], bounds[word + 1])] = word


@njit(cache=True, nogil=True)
def _slot(words: Bytes, bounds: Bounds, slots: NDArray[np.int32], data: Bytes, begin: int, end: int) -> np.int64:
    """Where the word data[begin:end] stands in the table, or would stand."""
    key = START
    for at in range(begin, end):
        key = _step(key, data[at])
    slot = np.int64(key % np.uint32(len(slots)))
    while slots[slot] >= 0:
        first = bounds[slots[slot]]
        if bounds[slots[slot] + 1] - first == end - begin:
            same = 0
            while same < end - begin and words[first + same] == data[begin + same]:
                same += 1
            if same == end - begin:
                break
        slot = (slot + 1) % len(slots)
    return slot


@njit(cache=True, nogil=True)
def _step(key: np.uint32, byte: np.uint8) -> np.uint32:
    """One step of the FNV-1a hash of 32 bits; fastText takes bytes for signed numbers."""
    return np.uint32((np.uint32(key) ^ np.uint32(np.int8(byte))) * np.uint32(16777619))


@njit(cache=True, nogil=True)
def _score(
    data: Bytes,
    begins: Bounds,
    ends: Bounds,
    words: Bytes,
    bounds: Bounds,
    slots: NDArray[np.int32],
    row_of_bucket: NDArray[np.int32],
    shortest: int,
    longest: int,
    end_word: int,
    rows: Floats,
    outputs: Floats,
    scores: Floats,
    found: Bounds,
) -> None:
    """The outputs for the mean of the vectors of a text's words and of the letter n-grams of each."""
    word = np.empty(len(data) + 2, np.uint8)
    word[0] = ord("<")
    for text in range(len(begins)):
        total = np.zeros(rows.shape[1], np.float32)
        for window in range(3):
            at, end = begins[text, window], ends[text, window]
            while at < end:
                begin = at
                while at < end and not _is_blank(data[at]):
                    at += 1
                if at > begin:
                    known = slots[_slot(words, bounds, slots, data, begin, at)]
                    if known >= 0:
                        total += rows[known]
                        found[text] += 1
                    size = at - begin + 2
                    word[1 : size - 1] = data[begin:at]
                    word[size - 1] = ord(">")
                    found[text] += _add_ngrams(word, size, row_of_bucket, shortest, longest, rows, total)
                at += 1
        if found[text]:
            if end_word >= 0:
                total += rows[end_word]
            total /= np.float32(found[text] + (end_word >= 0))
            _add_products(outputs, total, scores[text])


@njit(cache=True, nogil=True)
def _add_products(outputs: Floats, total: Floats, scores: Floats) -> None:
    """The product of a matrix and a vector, summed in the same order in any batch, as NumPy's is not."""
    for label in range(len(outputs)):
        product = np.float32(0)
        for column in range(len(total)):
            product += total[column] * outputs[label, column]
        scores[label] = product


@njit(cache=True, nogil=True)
def _is_blank(byte: int) -> bool:
    return byte == 32 or 9 <= byte <= 13 or byte == 0


@njit(cache=True, nogil=True)
def _add_ngrams(
    word: Bytes, size: int, row_of_bucket: NDArray[np.int32], shortest: int, longest: int, rows: Floats, total: Floats
) -> int:
    added, buckets = 0, np.uint32(len(row_of_bucket))  # of 32 bits, as the key is: division is the slowest step
    for begin in range(size):
        if word[begin] & 0xC0 == 0x80:  # within a character
            continue
        key, at = START, begin
        for length in range(1, longest + 1):
            if at == size:
                break
            key = _step(key, word[at])
            at += 1
            while at < size and word[at] & 0xC0 == 0x80:
                key = _step(key, word[at])
                at += 1
            if length < shortest or (length == 1 and (begin == 0 or at == size)):
                continue
            row = row_of_bucket[key % buckets]
            if row >= 0:
                for column in range(len(total)):
                    total[column] += rows[row, column]
                added += 1
    return added
