"""Near-duplicates beside a plain-Python truth: who goes, in whose favour, and that nothing is lost on the way."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import pytest
from tests.data.passes.stream_toys import Rows, column, ids_of, stream_of, texts

from tunesmith.core.bound import Bound, parse_bound
from tunesmith.core.errors import UserError
from tunesmith.data.passes._proposals import bands_for
from tunesmith.data.passes.near_dedup import KEEP, check, near_dedup
from tunesmith.data.stream import Stream

WORD = re.compile(r"\w+")
BELOW = {"similarity": parse_bound(KEEP["similarity"], "test")}


def shingles(text: str, n: int = 5) -> frozenset[tuple[str, ...]]:
    words = WORD.findall(text.lower())
    return frozenset(tuple(words[at : at + n]) for at in range(max(1, len(words) - n + 1))) if words else frozenset()


def jaccard(one: frozenset[object], other: frozenset[object]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def greedy(given: Sequence[str], ids: Sequence[str], threshold: float) -> dict[int, int]:
    """For each text that goes, the one that stays in its place: best first, each against those that stay."""
    sets = [shingles(text) for text in given]
    order = sorted(range(len(given)), key=lambda row: (-len(given[row].encode()), ids[row]))
    stays: list[int] = []
    gone: dict[int, int] = {}
    for row in (row for row in order if sets[row]):
        near = [(jaccard(sets[row], sets[other]), -rank) for rank, other in enumerate(stays)]
        best = max(near, default=(0.0, 0))
        if best[0] >= threshold:
            gone[row] = stays[-best[1]]
        else:
            stays.append(row)
    return gone


def made(stream: Stream, **options: object) -> tuple[dict[str, list[object]], Mapping[str, object]]:
    """What was measured, column by column, and what was found."""
    tables, found = [], None
    passing = near_dedup(stream, **options)  # type: ignore[arg-type]  # by name
    while True:
        try:
            tables.append(next(passing))
        except StopIteration as end:
            found = end.value
            break
    return {name: column(tables, name) for name in ("similarity", "survivor", "cluster", "passage")}, found or {}


def stream(*shards: Rows, scratch: Path, keep: Mapping[str, Bound] = BELOW, workers: int = 1) -> Stream:
    plain = stream_of(*shards, scratch=scratch, workers=workers)
    return Stream(plain.dataset, plain.executor, plain.scratch, plain.seed, None, keep)


def family(count: int, seed: int = 3) -> list[str]:
    """Texts of random words, of which many are edited copies of others, at all distances."""
    draw = random.Random(seed)
    words = [f"w{number}" for number in range(400)]
    made: list[str] = []
    for _ in range(count):
        text = draw.choices(words, k=draw.randint(3, 120))
        if made and draw.random() < 0.7:
            text = draw.choice(made).split(" ")
            for _ in range(draw.choice((0, 1, 1, 2, 3, 8))):
                text[draw.randrange(len(text))] = draw.choice(words)
            text = text[: len(text) - draw.choice((0, 0, 1, 5))]
        made.append(" ".join(text) or "w1")
    return made


def test_the_same_rows_go_as_in_plain_python(tmp_path: Path) -> None:
    given = family(400)
    own = stream(texts(*given[:150]), texts(*given[150:]), scratch=tmp_path)
    ids = ids_of(own)
    measured, found = made(own)
    wanted = greedy(given, ids, 0.8)
    assert len(wanted) > 100
    gone = {row: name for row, name in enumerate(measured["survivor"]) if name is not None}
    assert gone == {row: ids[survivor] for row, survivor in wanted.items()}
    sets = [shingles(text) for text in given]
    for row, survivor in wanted.items():
        assert measured["similarity"][row] == pytest.approx(jaccard(sets[row], sets[survivor]))
    assert found["gone"] == len(gone)


def test_of_each_pair_beyond_the_bound_one_goes_and_each_that_goes_is_like_one_that_stays(tmp_path: Path) -> None:
    given = family(500, seed=9)
    own = stream(texts(*given), scratch=tmp_path, keep={"similarity": Bound(below=0.6)})
    ids = ids_of(own)
    measured, found = made(own)
    sets = [shingles(text) for text in given]
    stays = {row for row, name in enumerate(measured["survivor"]) if name is None}
    assert not [pair for pair in combinations(sorted(stays), 2) if jaccard(sets[pair[0]], sets[pair[1]]) >= 0.6]
    for row in set(range(len(given))) - stays:
        survivor = ids.index(str(measured["survivor"][row]))
        assert survivor in stays
        assert jaccard(sets[row], sets[survivor]) >= 0.6
    clusters = {measured["cluster"][row] for row in range(len(given)) if measured["cluster"][row] is not None}
    assert clusters == {measured["cluster"][row] for row in stays if measured["cluster"][row] is not None}
    assert found["clusters"] == len(clusters)


def test_a_chain_removes_nothing_that_is_unlike_all_that_stays(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(60)]
    links = [" ".join([*words[step:], *[f"v{number}" for number in range(step)]]) for step in range(0, 24, 3)]
    ends = [shingles(links[0]), shingles(links[-1])]
    assert jaccard(*ends) < 0.8 <= jaccard(shingles(links[0]), shingles(links[1]))
    own = stream(texts(*links), scratch=tmp_path)
    measured, _ = made(own)
    gone = [row for row, name in enumerate(measured["survivor"]) if name is not None]
    assert 0 < len(gone) < len(links) - 1
    assert len(set(measured["cluster"])) == 1  # one chain, of which several stay: a split keeps them together


def test_a_bound_on_the_value_itself_removes_it(tmp_path: Path) -> None:
    one = [f"w{number}" for number in range(13)]  # nine 5-grams
    other = [*one[:-1], "x"]  # eight of them are the same: 8 of 10
    pair = texts(" ".join(one), " ".join(other))
    assert jaccard(shingles(pair[0]["text"]), shingles(pair[1]["text"])) == 0.8  # type: ignore[arg-type]  # texts
    for number, (bound, gone) in enumerate([(Bound(below=0.8), 1), (Bound(max=0.8), 0)]):
        measured, _ = made(stream(pair, scratch=tmp_path / str(number), keep={"similarity": bound}))
        assert sum(name is not None for name in measured["survivor"]) == gone
    assert measured["similarity"] == [0.8, 0.8]  # what stays tells how near it came


def test_equal_texts_collapse_to_one_and_nothing_else_is_needed(tmp_path: Path) -> None:
    given = ["The same words, in any case.", "the SAME words in any case", "Other words that stand here alone"]
    own = stream(texts(*given), scratch=tmp_path)
    first, *_ = ids_of(own)
    measured, found = made(own)
    assert measured["survivor"] == [None, first, None]
    assert measured["similarity"] == [0.0, 1.0, 0.0]
    assert measured["cluster"] == [first, first, None]
    assert found["identical"] == 1


def test_the_signal_of_the_recipe_chooses_who_stays(tmp_path: Path) -> None:
    import pyarrow as pa

    text = " ".join(f"w{number}" for number in range(30))
    rows = texts(f"{text} x", f"{text} y z", f"{text} v")
    for prefer, wanted in (("highest", 2), ("lowest", 0)):
        own = stream(rows, scratch=tmp_path / prefer)
        shards = own.dataset
        table = shards.tables[0].append_column("signal.quality", pa.array([0.1, 0.5, 0.9]))  # type: ignore[attr-defined]  # the toy's
        dataset = type("WithSignal", (type(shards),), {"columns": tuple(table.column_names)})((table,))
        measured, _ = made(
            Stream(dataset, own.executor, own.scratch, 7, None, BELOW), survivor="quality", prefer=prefer
        )
        assert [row for row, name in enumerate(measured["survivor"]) if name is None] == [wanted]


def test_a_signal_that_was_not_measured_is_a_mistake(tmp_path: Path) -> None:
    own = stream(texts("one two"), scratch=tmp_path)
    dataset = type("Known", (type(own.dataset),), {"columns": ("id", "text")})(own.dataset.tables)  # type: ignore[attr-defined]  # the toy's
    with pytest.raises(UserError, match="no signal 'quality'"):
        made(Stream(dataset, own.executor, own.scratch, 7, None, BELOW), survivor="quality")


def test_workers_and_shards_change_nothing(tmp_path: Path) -> None:
    given = family(300, seed=5)
    cuts = [[given], [given[:100], given[100:110], [], given[110:]]]
    found = [
        made(stream(*(texts(*part) for part in cut), scratch=tmp_path / f"{number}{workers}", workers=workers))
        for number, cut in enumerate(cuts)
        for workers in (1, 2)
    ]
    assert all(one == found[0] for one in found)


def test_thousands_of_rows_in_one_bucket_are_settled_as_pairs_would_be(tmp_path: Path) -> None:
    draw = random.Random(4)
    page = [f"w{number}" for number in range(100)]
    alike = [" ".join([*page[:98], f"n{draw.random()}", f"n{draw.random()}"]) for _ in range(1500)]
    template = [f"t{number}" for number in range(60)]  # two thirds of every other page
    pages = [" ".join([*template, *(f"{row}x{number}" for number in range(30))]) for row in range(700)]
    own = stream(texts(*alike, *pages), scratch=tmp_path)
    measured, found = made(own)
    gone = [row for row, name in enumerate(measured["survivor"]) if name is not None]
    assert gone == [row for row in range(1500) if measured["survivor"][row] is not None]
    assert len(gone) == 1499
    assert found["left_out"] == 0


def test_rows_that_lost_their_centre_are_compared_anew(tmp_path: Path) -> None:
    """A large bucket's centre goes in favour of a row that its own followers are unlike."""
    base = [f"w{number}" for number in range(100)]
    centre = " ".join([*base, "c1", "c2", "c3", "c4", "c5"])
    better = " ".join([*base[9:], "c1", "c2", "c3", "c4", "c5", *[f"longer{number}" for number in range(7)]])
    followers = [" ".join([*base[: 100 - 9], f"f{number}"]) for number in range(120)]
    given = [centre, better, *followers]
    own = stream(texts(*given), scratch=tmp_path)
    measured, _ = made(own)
    wanted = greedy(given, ids_of(own), 0.8)
    assert {row for row, name in enumerate(measured["survivor"]) if name is not None} == set(wanted)


def test_short_texts_are_compared_whole(tmp_path: Path) -> None:
    measured, _ = made(stream(texts("Hello there", "hello, there!", "Hello you", "", "?!"), scratch=tmp_path))
    assert [name is not None for name in measured["survivor"]] == [True, False, False, False, False]  # the longer stays
    assert measured["similarity"][3:] == [None, None]


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_scripts_without_spaces_are_compared_by_their_characters(tmp_path: Path, unit: str) -> None:
    text = "東京都は日本の首都であり、世界最大の都市圏の一つである。多くの人々が住んでいる。電車は毎日混んでいる。"
    given = texts(text, text.replace("毎日", "いつ"), "これは全く別の文章であり、上の文とは何の関係もない。" * 2)
    keep = {"similarity": Bound(below=0.7)}
    measured, _ = made(stream(given, scratch=tmp_path, keep=keep), unit=unit)
    assert sum(name is not None for name in measured["survivor"][:2]) == 1
    assert measured["survivor"][2] is None


def test_folding_decides_what_counts_as_the_same(tmp_path: Path) -> None:
    text = " ".join(f"word{chr(97 + number % 26)} naïve {number}" for number in range(20))
    given = texts(text, text.replace("ï", "i").replace("1", "7"))
    for number, (folds, gone) in enumerate([(("case",), 0), (("case", "digits", "accents"), 1)]):
        measured, _ = made(stream(given, scratch=tmp_path / str(number)), normalise=folds)
        assert sum(name is not None for name in measured["survivor"]) == gone


def test_conversations_and_chosen_texts_are_compared_as_the_recipe_says(tmp_path: Path) -> None:
    def chat(question: str, answer: str) -> Mapping[str, object]:
        return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}

    long = "what does the manual say about the brake of the second wheel in the old model"
    rows = [chat(long, "It says nothing at all."), chat(long, "Look at page nine, where all of it is told at length.")]
    for number, (by, gone) in enumerate([("prompt", 1), (None, 0), ("answer", 0)]):
        measured, _ = made(stream(rows, scratch=tmp_path / str(number)), by=by)
        assert sum(name is not None for name in measured["survivor"]) == gone


def test_against_another_list_rows_are_compared_with_that_list_only(tmp_path: Path) -> None:
    text = " ".join(f"w{number}" for number in range(40))
    other = stream(texts(f"{text} end", "something else that is quite unlike it all"), scratch=tmp_path / "other")
    twice = "these words stand twice in the list itself and nowhere else"
    own = stream(texts(f"{text} and longer than that", twice, twice, f"{text} end"), scratch=tmp_path / "own")
    measured, found = made(own, against=other)
    first = ids_of(other)[0]
    assert measured["survivor"] == [first, None, None, first]
    assert measured["similarity"][3] == 1.0
    assert found["gone"] == 2


def test_a_passage_is_what_both_share(tmp_path: Path) -> None:
    shared = "the brake of the second wheel " + " ".join(f"is checked by person {number}" for number in range(40))
    given = texts(f"Intro of one. {shared} the end of the longer one", f"Another start. {shared}")
    measured, _ = made(stream(given, scratch=tmp_path))
    [passage] = [text for text in measured["passage"] if text]
    assert str(passage).startswith("the brake of the second wheel")
    assert len(str(passage)) <= 200


def test_without_a_bound_pairs_are_told_at_the_threshold_and_a_chain_is_one_cluster(tmp_path: Path) -> None:
    text = " ".join(f"w{number}" for number in range(40))
    measured, found = made(stream(texts(text, f"{text} x", "quite another text of more than five words"),
                                  scratch=tmp_path, keep={}))  # fmt: skip
    assert found["threshold"] == 0.8
    assert measured["cluster"][0] == measured["cluster"][1]
    assert measured["cluster"][2] is None


def test_an_empty_list_has_no_duplicates(tmp_path: Path) -> None:
    measured, found = made(stream([], [], scratch=tmp_path))
    assert measured["similarity"] == []
    assert found["gone"] == 0


def test_bands_find_what_they_promise() -> None:
    for threshold in (0.5, 0.7, 0.8, 0.9, 0.95):
        bands = bands_for(threshold, 128, 0.999)
        assert bands.chance(threshold) >= 0.999
        assert bands.bands * bands.width <= 128


@pytest.mark.parametrize("wrong", [{"n": 0}, {"permutations": 8}, {"threshold": 1.5}, {"normalise": ("colour",)}])
def test_what_no_signature_can_be_made_of_is_a_mistake(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError):
        check(**wrong)  # type: ignore[arg-type]  # that is the mistake


def test_a_bound_that_refuses_no_pair_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="refuses no pairs"):
        made(stream(texts("a b"), scratch=tmp_path, keep={"similarity": Bound(min=0.5)}))
