"""A mix has the shares it was asked for, to one row; what it cannot reach it says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
from tests.data.passes import stream_toys
from tests.data.passes.stream_toys import Rows, Shards, column, ids_of

from tunesmith.core.errors import UserError
from tunesmith.data.dataset import Dataset
from tunesmith.data.passes import _draw
from tunesmith.data.passes.mix import KEEP, check, mix
from tunesmith.data.stream import Stream

GIVEN = {"domain": pa.string(), "weight": pa.float64()}  # what rows have of their source, and of weigh:


def stream_of(*shards: Rows, scratch: Path, workers: int = 1, seed: int = 7) -> Stream:
    """A stream of rows of which some have a domain and a weight."""
    stream = stream_toys.stream_of(*shards, scratch=scratch, workers=workers, seed=seed)
    tables = cast(Shards, stream.dataset).tables
    whole = tuple(_given(table, rows) for table, rows in zip(tables, shards, strict=True))
    return replace(stream, dataset=cast(Dataset, Shards(whole)))


def _given(table: pa.Table, rows: Rows) -> pa.Table:
    for name, kind in GIVEN.items():
        values = pa.array([row.get(name) for row in rows], kind)
        table = table.drop_columns([name] if name in table.column_names else []).append_column(name, values)
    return table


def documents(seed: int = 3, **sizes: int) -> list[Rows]:
    """So many documents of each domain, of 1 to 400 bytes, dealt to five shards."""
    rng = np.random.default_rng(seed)
    rows = [
        {"text": f"{domain} {number} " + "x" * int(rng.integers(1, 400)), "domain": domain}
        for domain, count in sizes.items()
        for number in range(count)
    ]
    mixed = [rows[place] for place in rng.permutation(len(rows))]
    return [mixed[start::5] for start in range(5)]


def mixed(stream: Stream, **options: object) -> tuple[list[pa.Table], dict[str, object]]:
    """The tables of a mix, and what it found."""
    tables: list[pa.Table] = []
    pass_ = mix(stream, **options)  # type: ignore[arg-type]  # by name
    while True:
        try:
            tables.append(next(pass_))
        except StopIteration as end:
            return tables, dict(end.value)


def drawn(shards: list[Rows], tables: list[pa.Table], *, size: bool = True) -> Counter[str]:
    """Bytes (or rows) of each domain in a mix, counted by hand."""
    found: Counter[str] = Counter()
    rows = [row for shard in shards for row in shard]
    for row, copies in zip(rows, column(tables, "copies"), strict=True):
        assert isinstance(copies, int)
        found[str(row["domain"])] += copies * (len(str(row["text"]).encode()) if size else 1)
    return found


def test_each_domain_has_its_share_of_bytes_to_half_a_document(tmp_path: Path) -> None:
    shards = documents(web=3000, code=400, books=150)
    shares = {"web": 0.5, "code": 0.3, "books": 0.2}
    tables, _ = mixed(stream_of(*shards, scratch=tmp_path), shares=shares, unit="bytes", total=200_000)
    for domain, size in drawn(shards, tables).items():
        assert abs(size - shares[domain] * 200_000) <= 210


def test_the_largest_mix_uses_up_the_scarcest_domain_in_as_many_epochs_as_allowed(tmp_path: Path) -> None:
    shards = documents(web=3000, books=100)
    tables, found = mixed(
        stream_of(*shards, scratch=tmp_path), shares={"web": 0.9, "books": 0.1}, unit="documents", epochs=2.5
    )
    assert drawn(shards, tables, size=False) == {"books": 250, "web": 2250}
    rows = [row for shard in shards for row in shard]
    copies = [number for row, number in zip(rows, column(tables, "copies"), strict=True) if row["domain"] == "books"]
    assert Counter(copies) == {2: 50, 3: 50}
    [table] = found["tables"]  # type: ignore[misc]  # JSON
    assert table["rows"][1] == ["books", 0.1, 0.1, 100, 100, 250, 100, 250, 2.5]  # type: ignore[index]


def test_tokens_are_a_quarter_of_the_bytes_unless_a_tokenizer_counts_them(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))  # type: ignore[arg-type]  # as its stub has it
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    rows: list[Rows] = [
        [
            {"text": "a " * 40, "domain": "short"},
            {"text": "abcdefgh " * 40, "domain": "long"},
            {"text": "", "domain": "long"},
        ]
    ]
    shares = {"short": 0.5, "long": 0.5}
    _, by_bytes = mixed(stream_of(*rows, scratch=tmp_path / "a"), shares=shares)
    _, by_tokens = mixed(
        stream_of(*rows, scratch=tmp_path / "b"), shares=shares, tokenizer=str(tmp_path / "tokenizer.json")
    )
    there = [[row[6] for row in found["tables"][0]["rows"]] for found in (by_bytes, by_tokens)]  # type: ignore[index]
    assert there == [[20, 90], [40, 40]]
    assert "bytes of UTF-8" in by_bytes["sentences"][3]  # type: ignore[index]
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(UserError, match="no tokenizer"):
        mixed(stream_of(*rows, scratch=tmp_path / "c"), shares=shares, tokenizer=str(tmp_path / "no.json"))


def test_domains_may_share_a_share_and_the_star_is_all_others(tmp_path: Path) -> None:
    shards = documents(web=500, books=60, articles=40, code=300, papers=80, wiki=30, forum=20)
    tables, _ = mixed(stream_of(*shards, scratch=tmp_path), shares="pretraining", unit="documents", total=400)
    found = drawn(shards, tables, size=False)
    assert (found["web"], found["code"], found["papers"]) == (200, 60, 40)
    assert found["books"] + found["articles"] == 80
    assert found["wiki"] + found["forum"] == 20


def test_a_domain_without_a_share_is_a_mistake_or_left_out(tmp_path: Path) -> None:
    shards = [*documents(web=50, code=50), [{"text": "no domain"}]]
    with pytest.raises(
        UserError, match=r"51 records are of a domain that no share is for: code \(50\), no domain \(1\)"
    ):
        mixed(stream_of(*shards, scratch=tmp_path / "a"), shares={"web": 1.0})
    tables, found = mixed(stream_of(*shards, scratch=tmp_path / "b"), shares={"web": 1.0}, epochs=1, rest="drop")
    rows = [row for shard in shards for row in shard]
    assert column(tables, "copies") == [int(row.get("domain") == "web") for row in rows]
    assert found["sentences"][-1] == "51 records are left out because no share is for them."  # type: ignore[index]


def test_records_without_any_domain_are_told_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no record has a domain") as told:
        mixed(stream_of([{"text": "a"}], scratch=tmp_path), shares={"web": 1.0})
    assert "Give each source its domain:" in told.value.hint


def test_a_shortage_says_what_is_missing_and_what_is_reachable(tmp_path: Path) -> None:
    shards = documents(web=1000, papers=20)
    shares = {"web": 0.9, "papers": 0.1}
    with pytest.raises(UserError) as told:
        mixed(stream_of(*shards, scratch=tmp_path / "a"), shares=shares, unit="documents", total=1000)
    assert told.value.problem == (
        "mix: too few documents for a total of 1,000. papers needs 100 (share 0.1) and has 20, "
        "which 4 epochs make 80: a share of at most 0.08."
    )
    assert told.value.hint.startswith("These shares reach a total of 800; for 1,000 it takes epochs: 5")
    for options in ({"total": 800}, {"total": 1000, "epochs": 5.0}):
        mixed(stream_of(*shards, scratch=tmp_path / "b"), shares=shares, unit="documents", **options)


def test_a_domain_with_no_records_is_named_with_the_shares_without_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to draw of papers") as told:
        mixed(stream_of(*documents(web=9, code=9), scratch=tmp_path), shares={"web": 0.6, "code": 0.2, "papers": 0.2})
    assert '{"web": 0.75, "code": 0.25}' in told.value.hint


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"shares": {"web": 0.5, "code": 0.4}}, "add up to 0.9"),
        ({"shares": {"web": 1.5, "code": -0.5}}, "add up to 1"),
        ({"shares": {}}, "add up to 0"),
        ({"shares": {"web, code": 0.5, "code": 0.5}}, "'code' is in two shares"),
        ({"shares": {" ": 1.0}}, "names no domain"),
        ({"shares": "pretrain"}, "no mix 'pretrain'"),
        ({"shares": {"web": 1.0}, "total": 0}, "is no mix"),
        ({"shares": {"web": 1.0}, "epochs": 0.0}, "draws nothing"),
        ({"shares": {"web": 1.0}, "unit": "bytes", "tokenizer": "t.json"}, "does not count bytes"),
    ],
)
def test_what_is_no_mix_is_told_before_any_work(options: dict[str, object], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        check(**options)  # type: ignore[arg-type]  # by name


def test_records_are_drawn_in_proportion_to_their_weights(tmp_path: Path) -> None:
    weights = {0: 0.0, 1: 0.5, 2: 1.0, 3: 2.0}
    rows: Rows = [{"text": f"t {number}", "domain": "web", "weight": weights[number % 4]} for number in range(8000)]
    tables, _ = mixed(stream_of(rows, scratch=tmp_path), shares={"web": 1.0}, unit="documents", total=5000)
    copies = np.array(column(tables, "copies"))
    means = [copies[rest::4].mean() for rest in range(4)]
    assert copies.sum() == 5000
    assert means == pytest.approx([0, 2.5 / 7, 5 / 7, 10 / 7], abs=0.05)
    assert column(tables, "weight") == [None] * 8000


def test_with_weights_no_record_is_drawn_in_more_epochs_than_allowed(tmp_path: Path) -> None:
    rows: Rows = [{"text": f"t {number}", "domain": "web", "weight": 0.5 + number % 2} for number in range(3000)]
    tables, _ = mixed(stream_of(rows, scratch=tmp_path), shares={"web": 1.0}, unit="documents", epochs=2)
    copies = np.array(column(tables, "copies"))
    assert copies.max() == 2
    assert copies.sum() == 4000
    assert copies[0::2].mean() == pytest.approx(2 / 3, abs=0.05)


def test_neither_shards_nor_workers_nor_how_much_is_sorted_changes_what_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = documents(web=2000, code=300)
    options = {"shares": {"web": 0.6, "code": 0.4}, "total": 20_000}
    stream = stream_of(*shards, scratch=tmp_path / "one")
    one = dict(zip(ids_of(stream), column(mixed(stream, **options)[0], "copies"), strict=True))
    two = stream_of(*shards, scratch=tmp_path / "two", workers=2)
    assert column(mixed(two, **options)[0], "copies") == list(one.values())
    cut = stream_of([row for shard in shards for row in shard][::-1], [], scratch=tmp_path / "cut")
    monkeypatch.setattr(_draw, "SORTED_COPIES", 20)
    assert dict(zip(ids_of(cut), column(mixed(cut, **options)[0], "copies"), strict=True)) == one
    other = stream_of(*shards, scratch=tmp_path / "other", seed=8)
    assert column(mixed(other, **options)[0], "copies") != list(one.values())


def test_a_larger_mix_holds_the_smaller(tmp_path: Path) -> None:
    shards = documents(web=900)
    few, many = (
        np.array(column(mixed(stream_of(*shards, scratch=tmp_path), shares={"web": 1.0}, total=total)[0], "copies"))
        for total in (10_000, 70_000)
    )
    assert (few <= many).all()
    assert few.sum() < many.sum()


def test_what_is_left_out_is_dropped_by_default() -> None:
    assert KEEP == {"copies": {"min": 1}}
