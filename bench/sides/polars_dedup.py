"""Polars doing what exact_dedup and line_dedup do: `python polars_dedup.py exact|lines OUT [LEAST] FILE.parquet ...`.

It runs in its own environment. `exact` hashes every text and marks all but the first of equals; `lines` strips lines,
counts the documents that each stands in, takes out those that stand in LEAST or more and joins the others again.
Prints what it did, as one line of JSON.
"""

import json
import sys

import polars as pl

MODE, OUT, *REST = sys.argv[1:]
SHORTEST = 10  # characters of a line that can be taken out


def main() -> None:
    """Do the work, and tell what it did."""
    print(json.dumps(exact(REST) if MODE == "exact" else lines(int(REST[0]), REST[1:])))


def exact(files: list[str]) -> dict[str, int]:
    """Mark every row whose text stands before it."""
    hashes = pl.scan_parquet(files).select(pl.col("text").hash().alias("hash")).collect(engine="streaming")
    marked = hashes.select((~pl.col("hash").is_first_distinct()).alias("duplicates"))
    marked.write_parquet(OUT, compression="zstd", compression_level=1)
    return {"documents": marked.height, "removed": int(marked["duplicates"].sum())}


def lines(least: int, files: list[str]) -> dict[str, int]:
    """Take out lines that stand in at least so many documents; of the ways to say it, the fastest that was found.

    Short and indented lines stay, as in line_dedup. That lines without a letter or digit stay too is left out: it
    would take Polars a regular expression on every line.
    """
    texts = pl.scan_parquet(files).select(pl.col("text").str.split("\n").alias("line"))
    line = pl.element().str.strip_chars_end()
    counts = (line.str.len_bytes() >= SHORTEST) & ~line.str.starts_with(" ") & ~line.str.starts_with("\t")
    held = texts.select(pl.col("line").list.eval(line.filter(counts).hash().unique())).explode("line").drop_nulls()
    repeated = held.group_by("line").len().filter(pl.col("len") >= least).select("line").collect(engine="streaming")
    each = texts.with_row_index("row").explode("line")
    kept = each.filter(~pl.col("line").str.strip_chars_end().hash().is_in(repeated["line"].implode()))
    joined = kept.group_by("row").agg(pl.col("line").str.join("\n").alias("text")).sort("row")
    joined.sink_parquet(OUT, compression="zstd", compression_level=1)
    return {"documents": pl.scan_parquet(OUT).select(pl.len()).collect().item(), "lines": repeated.height}


if __name__ == "__main__":
    main()
