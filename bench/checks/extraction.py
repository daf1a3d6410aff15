"""Main text of web pages: our two modes and trafilatura's own, on the pages of the article extraction benchmark.

The measure is the benchmark's: runs of four words, precision and recall of each page, averaged over pages (pages where
there is nothing to average left out), F1 of the two averages. The way of `quality` was chosen with the results of all
these pages in sight, so none of them is held out; every second page stands apart to show how much the numbers move.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from checks.rows import Row

WORD = re.compile(r"\w+")
RUN = 4
RESAMPLES = 2000
PEER_MODES: Mapping[str, Mapping[str, bool]] = {
    "default": {},
    "precision": {"favor_precision": True},
    "recall": {"favor_recall": True},
    "fast": {"fast": True},
    "fast, precision": {"fast": True, "favor_precision": True},
    "fast, recall": {"fast": True, "favor_recall": True},
}

Extract = Callable[[bytes], str]


def measure(data: Path) -> list[Row]:
    """F1 of each mode with its interval, ours beside the best of trafilatura's, and the speed of `fast`."""
    gold, pages = _read(data / "article_extraction")
    ours = {mode: _scores(gold, pages, _our(mode)) for mode in ("quality", "fast")}
    peers = {mode: _scores(gold, pages, _peer(options)) for mode, options in PEER_MODES.items()}
    others = slice(1, None, 2)
    best = max(peers, key=lambda mode: f1(peers[mode]))
    rows = [_row(f"html F1, mode {mode}", scores) for mode, scores in ours.items()]
    rows.append(_row("html F1, mode quality, every second page", ours["quality"][others]))
    rows += [_row(f"html F1, trafilatura {mode}", scores) for mode, scores in peers.items()]
    rows.append(_against(f"html F1, quality - trafilatura {best} (its best)", ours["quality"], peers[best]))
    near = max(peers, key=lambda mode: f1(peers[mode][others]))
    rows.append(
        _against(
            f"html F1, quality - trafilatura {near} (its best), every second page",
            ours["quality"][others],
            peers[near][others],
        )
    )
    return [*rows, _speed(pages)]


def _speed(pages: Sequence[bytes]) -> Row:
    """How many times faster `fast` is: the best of three turns of each, taken alternately."""
    seconds: dict[str, list[float]] = {"quality": [], "fast": []}
    for _ in range(3):
        for mode, taken in seconds.items():
            start = time.perf_counter()
            for raw in pages:
                _our(mode)(raw)
            taken.append(time.perf_counter() - start)
    quality, fast = (min(taken) for taken in seconds.values())
    note = f"fast {len(pages) / fast:.0f}, quality {len(pages) / quality:.0f} pages/s"
    return Row("html, speed of fast over quality", quality / fast, len(pages), note=note)


def _read(folder: Path) -> tuple[list[str], list[bytes]]:
    texts = json.loads((folder / "ground-truth.json").read_text("utf-8"))
    files = sorted((folder / "html").glob("*.html.gz"))
    gold = [texts[file.name.removesuffix(".html.gz")].get("articleBody", "") for file in files]
    return gold, [gzip.decompress(file.read_bytes()) for file in files]


def _our(mode: str) -> Extract:
    from tunesmith.data.sources._pages import page

    return lambda raw: str(page(raw, mode).get("text", ""))


def _peer(options: Mapping[str, bool]) -> Extract:
    import trafilatura

    return lambda raw: trafilatura.extract(raw.decode("utf-8"), include_comments=False, **options) or ""


def _scores(gold: Sequence[str], pages: Sequence[bytes], extract: Extract) -> np.ndarray:
    """Of each page the shares of runs found, made up and missed; they add up to 1: long pages weigh no more."""
    return np.array([shares(true, extract(page)) for true, page in zip(gold, pages, strict=True)])


def shares(true: str, given: str) -> tuple[float, float, float]:
    """True positives, false positives and false negatives of one page, as shares of all its runs."""
    wanted, found = _runs(true), _runs(given)
    counts = (wanted & found).total(), (found - wanted).total(), (wanted - found).total()
    total = sum(counts)
    return (counts[0] / total, counts[1] / total, counts[2] / total) if total else (0.0, 0.0, 0.0)


def _runs(text: str) -> Counter[tuple[str, ...]]:
    words = WORD.findall(text)
    return Counter(run for i in range(max(1, len(words) - RUN + 1)) if (run := tuple(words[i : i + RUN])))


def f1(scores: np.ndarray) -> float:
    """The benchmark's F1: of mean precision and mean recall."""
    hit, false, missed = scores.T
    with np.errstate(invalid="ignore"):
        precision, recall = np.nanmean(hit / (hit + false)), np.nanmean(hit / (hit + missed))
    return float(2 * precision * recall / (precision + recall))


def _row(what: str, scores: np.ndarray) -> Row:
    low, high = _interval(lambda rows: f1(scores[rows]), len(scores))
    return Row(what, f1(scores), len(scores), low, high)


def _against(what: str, ours: np.ndarray, peer: np.ndarray) -> Row:
    low, high = _interval(lambda rows: f1(ours[rows]) - f1(peer[rows]), len(ours))
    return Row(what, f1(ours) - f1(peer), len(ours), low, high, bar=">= -0.01")


def _interval(of: Callable[[np.ndarray], float], n: int) -> tuple[float, float]:
    draws = np.random.default_rng(0).integers(0, n, size=(RESAMPLES, n))
    low, high = np.percentile([of(draw) for draw in draws], [2.5, 97.5])
    return float(low), float(high)
