"""Which argument is more convincing? `python bench/arguments.py FOLDER` (with pairs.jsonl.gz of UKPConvArg1).

A small reward model from random weights learns from pairs of arguments and is asked about topics that it never saw.
Both sides of a debate are one topic, so that no topic of the test rows is among the rows learnt from; the topics lie in
five groups of like size. Settings were chosen on the last group, which is also what each training stops by and is never
tested; each of the other four is tested once, learnt from the other three. The published split leaves one of 32 sides
out and keeps the other side of its debate (Habernal and Gurevych 2016, P16-1150: 0.76 to 0.78 on 11,650 pairs; here are
8,023 of them, of 22 sides). Beside it: the rule that the longer argument wins, and linear models of tf-idf differences
(words and characters), with and without 14 counts such as words, commas and capitals, which learn from the last group
too. Writes bench/results/arguments.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from tunesmith.core.artifact import write_json
from tunesmith.models.reward_model import RewardModel
from tunesmith.run.machine import describe_machine
from tunesmith.stats.intervals import mean, paired_difference
from tunesmith.train.job import Job, Scratch
from tunesmith.train.reward import reward

ROOT = Path(__file__).parents[1]
FILE = "pairs.jsonl.gz"
GROUPS = 5
START = Scratch("0.1M", {"vocabulary": 2048, "length": 400}, {"length": 400})
SETTINGS: dict[str, Any] = {
    "epochs": 0.4,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "word_dropout": 0.6,
    "label_smoothing": 0.1,
}
STOP_BY = 6  # of the last group's pairs every so many are measured to stop by
STRENGTHS = (0.3, 1.0)  # of the linear models, chosen on the last group
Floats = npt.NDArray[np.float64]
Pair = dict[str, Any]


def main() -> None:
    """Test the four groups one after another, print the table, write the results; without the data, say so and stop."""
    asked = _arguments()
    if not (asked.data / FILE).is_file():
        print(f"Skipped: {asked.data} holds no {FILE}.")
        return
    torch.set_num_threads(1)
    groups = grouped(read(asked.data / FILE))
    begun = time.perf_counter()
    tested = [pair for group in groups[:-1] for pair in group]
    found: dict[str, Floats] = {name: rule(tested) for name, rule in RULES.items()}
    for name, features in LINEAR.items():
        found[name] = np.concatenate([linear(features, *_divided(groups, test)) for test in range(GROUPS - 1)])
    rewards = []
    for seed in asked.seeds:
        rewards.append(np.concatenate([learnt(seed, *_divided(groups, test)) for test in range(GROUPS - 1)]))
        found[f"reward model, seed {seed}"] = _won(rewards[-1])
    found["reward models of all seeds, added up"] = _won(np.mean(rewards, axis=0))
    result = results(found, tested, asked.seeds, time.perf_counter() - begun)
    write_json(asked.out, result)
    print(table(cast("Mapping[str, Mapping[str, Any]]", result["accuracy"])))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help=f"the folder of {FILE}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "arguments.json")
    return parser.parse_args()


def read(path: Path) -> list[Pair]:
    """The pairs as rows that a reward model learns from; `topic` is the debate, `group` the side."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [_pair(json.loads(line)) for line in file]


def _pair(row: Mapping[str, str]) -> Pair:
    better, worse = ("a1", "a2") if row["label"] == "a1" else ("a2", "a1")
    asked = row["topic"].replace("-", " ").replace("_", ": ")
    sides = {
        name: [{"role": "assistant", "content": re.sub(r"\s*<br/>\s*", "\n", row[key])}]
        for name, key in (("chosen", better), ("rejected", worse))
    }
    topic = row["topic"].partition("_")[0]
    return {"messages": [{"role": "user", "content": asked}], **sides, "group": row["topic"], "topic": topic}


def grouped(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Five groups of topics: the largest topic first, each into the smallest group."""
    topics = sorted(Counter(pair["topic"] for pair in pairs).items(), key=lambda item: (-item[1], item[0]))
    sizes, place = [0] * GROUPS, {}
    for topic, count in topics:
        place[topic] = sizes.index(min(sizes))
        sizes[place[topic]] += count
    return [[pair for pair in pairs if place[pair["topic"]] == group] for group in range(GROUPS)]


def _divided(groups: Sequence[list[Pair]], test: int) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Pairs to learn from, to stop by, and to test."""
    return [pair for other in range(GROUPS - 1) if other != test for pair in groups[other]], groups[-1], groups[test]


def _texts(pairs: Sequence[Pair], side: str) -> list[str]:
    return [pair[side][0]["content"] for pair in pairs]


def learnt(seed: int, train: list[Pair], validation: list[Pair], test: list[Pair]) -> Floats:
    """What a reward model makes of the test pairs: the chosen argument's reward minus the rejected one's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = Job(
            START,
            train,
            validation[::STOP_BY],
            folder / "out",
            folder / "resume",
            seed,
            lambda _: None,
            lambda *_: None,
        )
        reward(job, **SETTINGS)
        print(f"seed {seed}: {len(test):,} pairs of another group tested", file=sys.stderr)
        asked = {(pair["group"], pair[side][0]["content"]): pair for pair in test for side in ("chosen", "rejected")}
        rewards = RewardModel(folder / "out").of_answers(list(asked.values()), [text for _, text in asked])
    of = dict(zip(asked, rewards, strict=True))
    chosen, rejected = (
        np.array([of[pair["group"], pair[side][0]["content"]] for pair in test]) for side in ("chosen", "rejected")
    )
    return chosen - rejected


def _won(margins: Floats) -> Floats:
    return (np.sign(margins) + 1) / 2


def _by(measure: Callable[[str], float]) -> Callable[[Sequence[Pair]], Floats]:
    def rule(pairs: Sequence[Pair]) -> Floats:
        chosen, rejected = (
            np.array([measure(text) for text in _texts(pairs, side)]) for side in ("chosen", "rejected")
        )
        return _won(chosen - rejected)

    return rule


RULES = {"more words": _by(lambda text: len(text.split())), "more characters": _by(len)}


def counts(text: str) -> list[float]:
    """14 counts of a text, each of about the same size."""
    words = text.split()
    marks = [text.count(mark) / size for mark, size in ((",", 5), (".", 5), ("?", 2), ("!", 2), ("\n", 1))]
    shouted, long = sum(word.isupper() and len(word) > 1 for word in words), sum(len(word) > 6 for word in words)
    mean_length = sum(map(len, words)) / max(1, len(words)) / 5
    lengths = [np.log1p(len(words)), len(words) / 50, np.log1p(len(text)), len({word.lower() for word in words}) / 50]
    digits = sum(character.isdigit() for character in text) / 5
    return [*lengths, mean_length, *marks, shouted / 3, long / 10, float(text[:1].isupper()), digits]


def _tfidf(train: Sequence[str], texts: Sequence[str]) -> Any:  # noqa: ANN401  # scipy ships no types
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=3, sublinear_tf=True, max_features=30_000)
    return hstack([vectors.fit(train).transform(texts) for vectors in (words, letters)]).tocsr()


def _counts(train: Sequence[str], texts: Sequence[str]) -> Any:  # noqa: ANN401  # scipy ships no types
    from scipy.sparse import csr_matrix

    scale = np.array([counts(text) for text in train]).std(axis=0) + 1e-9
    return csr_matrix(np.array([counts(text) for text in texts]) / scale)


def _both(train: Sequence[str], texts: Sequence[str]) -> Any:  # noqa: ANN401  # scipy ships no types
    from scipy.sparse import hstack

    return hstack([_tfidf(train, texts), _counts(train, texts)]).tocsr()


LINEAR = {"linear, tf-idf": _tfidf, "linear, 14 counts": _counts, "linear, tf-idf and 14 counts": _both}


def linear(
    features: Callable[[Sequence[str], Sequence[str]], Any],
    train: list[Pair],
    validation: list[Pair],
    test: list[Pair],
) -> Floats:
    """Which test pairs a logistic regression of feature differences has right; its strength is that of validation."""
    everything = [*train, *validation, *test]
    known = sorted({text for side in ("chosen", "rejected") for text in _texts([*train, *validation], side)})
    texts = sorted({text for side in ("chosen", "rejected") for text in _texts(everything, side)})
    found, place = features(known, texts), {text: number for number, text in enumerate(texts)}
    chosen, rejected = (found[[place[text] for text in _texts(everything, side)]] for side in ("chosen", "rejected"))
    apart = (chosen - rejected).tocsr()
    to, of = len(train), len(train) + len(validation)
    best = max(STRENGTHS, key=lambda strength: (apart[to:of] @ _weights(apart[:to], strength) > 0).mean())
    return _won(apart[of:] @ _weights(apart[:of], best))


def _weights(apart: Any, strength: float) -> Floats:  # noqa: ANN401  # scipy ships no types
    from sklearn.linear_model import LogisticRegression

    turned = np.arange(apart.shape[0]) % 2 == 0  # every other pair the other way round, or there is one class
    rows = apart.multiply(np.where(turned, 1.0, -1.0)[:, None]).tocsr()
    fitted = LogisticRegression(C=strength, fit_intercept=False, max_iter=300).fit(rows, turned)
    return cast("Floats", fitted.coef_[0])


def results(
    found: Mapping[str, Floats], tested: Sequence[Pair], seeds: Sequence[int], wall_s: float
) -> dict[str, object]:
    """The result file: accuracy by side of a debate, and each beside the rule of more words."""
    sides = [pair["group"] for pair in tested]
    rule = found["more words"]
    shorter = RULES["more words"](tested) == 0
    own = [found[f"reward model, seed {seed}"] for seed in seeds]
    return {
        "accuracy": {name: mean(right, groups=sides).as_json() for name, right in found.items()},
        "beyond more words": {
            name: paired_difference(right, rule, groups=sides).as_json()
            for name, right in found.items()
            if right is not rule
        },
        "where the chosen argument has fewer words": {
            name: mean(right[shorter]).as_json() for name, right in found.items()
        },
        "seeds": {"mean": float(np.mean(own)), "sd": float(np.std([one.mean() for one in own], ddof=1))},
        "published": "0.76 to 0.78 on another split of more pairs (Habernal and Gurevych 2016)",
        "settings": {**SETTINGS, "start": f"scratch:{START.size}", "tokenizer": dict(START.tokenizer)},
        "wall_s": round(wall_s, 1),
        "machine": describe_machine(),
    }


def table(accuracy: Mapping[str, Mapping[str, Any]]) -> str:
    """Accuracy with its 95 % interval by side, as Markdown."""
    lines = ["| model | pairs | accuracy [95 % interval] |", "|---|---|---|"]
    for name, one in accuracy.items():
        lines.append(f"| {name} | {one['n']:,} | {one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}] |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
