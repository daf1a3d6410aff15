"""How much of an item a text holds, against the same in plain Python, and the leaks of real data sets."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.shared import shared

from tunesmith.core.errors import UserError
from tunesmith.data import item_index
from tunesmith.data.item_index import build_index, load_index
from tunesmith.data.overlap import matches, overlaps_of_items, passages

WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


def covered(item: str, text: str, n: int) -> float:
    """The share of an item's words that its n-grams in the text cover."""
    sought, given = words(item), words(text)
    grams = {tuple(given[start : start + n]) for start in range(len(given) - n + 1)}
    inside = [False] * len(sought)
    for start in range(len(sought) - n + 1):
        if tuple(sought[start : start + n]) in grams:
            inside[start : start + n] = [True] * n
    return sum(inside) / len(sought)


def share_of_lines(item: str, text: str, shortest: int) -> float:
    """The largest share that a whole item has of the lines it stands in."""
    sought, best = words(item), 0.0
    lines = [words(line) for line in text.split("\n")]
    flat = [(word, number) for number, line in enumerate(lines) for word in line]
    for start in range(len(flat) - len(sought) + 1):
        here = flat[start : start + len(sought)]
        if [word for word, _ in here] == sought:
            around = sum(len(lines[number]) for number in range(here[0][1], here[-1][1] + 1))
            best = max(best, len(sought) / around)
    return best if len(sought) >= shortest or len(sought) == len(flat) else 0.0


def overlaps(items: Sequence[str], texts: Sequence[str | None], **options: int) -> dict[tuple[int, int], float]:
    found = matches(build_index(pa.array(items), **{"n": 4, **options}), pa.array(texts, pa.string()))
    return dict(zip(zip(found.rows.tolist(), found.items.tolist(), strict=True), found.overlaps.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_overlaps_are_those_of_plain_python(seed: int) -> None:
    draw = random.Random(seed)
    vocabulary = ["one", "Two", "ＴＨＲＥＥ", "fünf", "7", "日本"]

    def text(most: int) -> str:
        chosen = (
            draw.choice(vocabulary) + draw.choice([" ", ", ", "\n", "_", "\n\n- "])
            for _ in range(draw.randint(0, most))
        )
        return "".join(chosen)

    items = [text(14) for _ in range(40)]
    texts = [text(60) for _ in range(40)] + items[:10]
    found = overlaps(items, texts, common=10**6, shortest=3)
    for row, given in enumerate(texts):
        for number, item in enumerate(items):
            size = len(expected_words(item))
            rule = (
                covered(spaced(item), spaced(given), 4)
                if size >= 4
                else share_of_lines(spaced(item), spaced(given), 3)
                if size
                else 0.0
            )
            assert found.get((row, number), 0.0) == pytest.approx(rule), (item, given)


def spaced(text: str) -> str:
    """Every sign of a script without spaces is a word of its own."""
    return re.sub("([日本])", r" \1 ", text)


def expected_words(text: str) -> list[str]:
    return words(spaced(text))


def test_case_width_punctuation_and_line_ends_change_nothing_and_digits_do() -> None:
    item = "Janet's ducks lay 16 eggs per day; she eats three."
    assert overlaps([item], ["JANET’S ducks\nlay **１６** eggs_per day -- she eats three!"]) == {(0, 0): 1.0}
    assert overlaps([item], ["Janet's ducks lay 17 eggs per day; she eats three."])[0, 0] == pytest.approx(10 / 11)


def test_a_short_item_has_to_stand_there_whole_and_counts_by_its_share_of_the_line() -> None:
    item = "Where can I find my PIN"
    texts = [item, f"Hi,\n{item}?\nBye", f"Please tell me now: {item}", "Where can I find my card", None, ""]
    found = overlaps([item], texts, n=8)
    assert found == {(0, 0): 1.0, (1, 0): 1.0, (2, 0): 0.6}


def test_an_item_of_few_words_counts_only_as_the_whole_text() -> None:
    assert overlaps(["hey there", "hola"], ["Hey there!", "hey there\nyou", "¡Hola!", "hola hola"]) == {
        (0, 0): 1.0,
        (2, 1): 1.0,
    }


def test_what_stands_in_many_items_is_boilerplate_on_both_sides() -> None:
    start = "import numpy as np and then print the result of"
    items = [f"{start} case {number} with the answer {number + 50} for team {number + 70}" for number in range(20)]
    found = overlaps(items, [items[3], f"{start} nothing else at all"], common=10)
    assert found == {(0, 3): 1.0}
    assert (1, 3) in overlaps(items, [items[3], f"{start} nothing else at all"], common=20)


def test_equal_items_are_no_boilerplate_and_each_is_found() -> None:
    item = "Which of these five sentences is the only one that has been copied"
    assert set(overlaps([item] * 30, [item], common=10)) == {(0, number) for number in range(30)}


def test_the_passage_is_the_longest_run_of_the_text() -> None:
    item = "a b c d e f g h i j k l m n"
    text = "x a b c d y e f g h i j k, l z m n"
    index = build_index(pa.array([item]), n=4)
    found = matches(index, pa.array([None, text]))
    assert passages(pa.array([None, text]), found) == ["e f g h i j k, l"]
    assert found.matched.tolist() == [6]


def test_an_index_that_was_saved_finds_the_same(tmp_path: Path) -> None:
    index = build_index(pa.array(["one two three four five six", "short one"]), n=4)
    index.save(tmp_path)
    texts = pa.array(["zero one two three four five", "short one"])
    for one, other in zip(matches(index, texts), matches(load_index(tmp_path), texts), strict=True):
        assert one.tolist() == other.tolist() != []


def test_nothing_is_found_in_nothing() -> None:
    assert overlaps(["one two three four"], []) == overlaps(["", "?!"], ["", "?!", None]) == {}
    assert overlaps_of_items([], [(["a"], pa.array(["text"]))]) == []


def test_a_benchmark_too_large_for_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_index, "MOST_NGRAMS", 3)
    with pytest.raises(UserError, match="has 4 n-grams, more than the 3"):
        build_index(pa.array(["one two three four five six seven"]), n=4)


def test_each_item_names_the_first_row_that_holds_most_of_it() -> None:
    items = [
        ("a", "where is the nearest open bank office in town today"),
        ("b", "something that nobody ever asked of anyone here"),
    ]
    rows = [
        (["r1"], pa.array(["is the nearest open bank office in town"])),
        (["r2", "r3"], pa.array([items[0][1]] * 2)),
    ]
    first, second = overlaps_of_items(items, rows)
    assert (first.item, first.overlap, first.row) == ("a", 1.0, "r2")
    assert (second.item, second.overlap, second.row) == ("b", 0.0, None)


def equal_rows(test: Sequence[str], train: Sequence[str]) -> set[int]:
    known = {tuple(words(text)) for text in train}
    return {number for number, text in enumerate(test) if tuple(words(text)) in known}


def found_rows(test: Sequence[str], train: Sequence[str], n: int) -> tuple[set[int], set[int]]:
    """The test rows with overlap 1, and those with any below it."""
    items = [(str(number), text) for number, text in enumerate(test)]
    ids = [str(number) for number in range(len(train))]
    found = [one.overlap for one in overlaps_of_items(items, [(ids, pa.array(train))], n=n)]
    return {row for row, one in enumerate(found) if one == 1}, {row for row, one in enumerate(found) if 0 < one < 1}


def banking77() -> tuple[list[str], list[str]]:
    folder = shared("banking77")
    given = ((folder / f"{part}.csv").read_text("utf-8") for part in ("test", "train"))
    test, train = ([row["text"] for row in csv.DictReader(io.StringIO(text, newline=""))] for text in given)
    return test, train


def clinc150() -> tuple[list[str], list[str]]:
    """Its 4,500 test and 15,000 training rows; the out-of-scope rows have splits of their own and change nothing."""
    given = json.loads(gzip.decompress((shared("clinc150") / "data_full.json.gz").read_bytes()))
    return [text for text, _ in given["test"]], [text for text, _ in given["train"]]


@pytest.mark.parametrize(("rows", "leaks", "inside"), [(banking77, 25, 2), (clinc150, 19, 0)])
def test_the_real_leaks_of_intents_are_found_all_and_only_those(rows: object, leaks: int, inside: int) -> None:
    test, train = rows()  # type: ignore[operator]  # a function above
    equal = equal_rows(test, train)
    assert len(equal) == leaks
    whole, near = found_rows(test, train, n=100)  # every item is a short one
    assert whole == equal
    assert near
    assert not near & whole
    by_default, _ = found_rows(test, train, n=13)
    text = "\n".join(" " + " ".join(words(row)) + " " for row in train)
    assert all(" " + " ".join(words(test[row])) + " " in text for row in by_default - equal)
    assert len(by_default - equal) == inside  # longer rows of training hold them word for word


def test_gsm8k_has_no_test_row_in_training() -> None:
    test, train = (
        [json.loads(line) for line in gzip.decompress((shared("gsm8k") / f"{part}.jsonl.gz").read_bytes()).splitlines()]
        for part in ("test", "train")
    )
    questions = [row["question"] for row in test]
    whole, near = found_rows(questions, [f"{row['question']}\n{row['answer']}" for row in train], n=13)
    assert not whole
    assert len(near) == 3
    assert np.mean([len(words(question)) for question in questions]) > 40
