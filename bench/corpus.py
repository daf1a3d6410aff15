"""Build a corpus of plain documents from Debian's documentation packages: `python bench/corpus.py [FOLDER] [--large]`.

Writes corpus-50 and corpus-300 (megabytes of text) as .jsonl, .jsonl.gz and .parquet; `--large` adds corpus-2000, which
repeats the documents of corpus-300, each copy with a first line of its own. The same packages give the same bytes, and
what is there is not made again. It is technical text, rich in code and tables, and not web text.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from resiliparse.extract.html2text import extract_plain_text

PACKAGES = (Path(__file__).parent / "corpus.txt").read_text("utf-8").split()
SIZES_MB = (50, 300)
LARGE_MB = 2000
SHORTEST = 300  # characters; shorter pages are redirects and lists of links
WHOLE = 9_000  # characters; longer pages are cut, so that lengths are spread as on the web and not as in manuals
BIGGEST_FILE = 20_000_000
TEXTS = frozenset({"txt", "rst", "md", "pod", "text"})
PAGES = frozenset({"html", "htm", "xhtml"})
ROFF_LINE = re.compile(r"^[.'](?:\\\"|[a-zA-Z]+)[ \t]?", re.MULTILINE)
ROFF_ESCAPE = re.compile(r"\\f[A-Z(].?|\\[&|^]|\\\(..")


def main() -> None:
    """Make what is missing, and say what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=default_folder())
    parser.add_argument("--large", action="store_true", help=f"also make corpus-{LARGE_MB}")
    asked = parser.parse_args()
    for path in build(asked.folder, large=asked.large):
        print(f"{path} {path.stat().st_size / 1e6:.1f} MB")


def default_folder() -> Path:
    """Where the corpus is kept unless a folder is named: below the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tunesmith-bench" / "corpus"


def build(folder: Path, *, large: bool = False) -> list[Path]:
    """The corpora in `folder`, made where they are missing."""
    wanted = [folder / f"corpus-{size}.jsonl.gz" for size in SIZES_MB]
    base = folder / "documents.jsonl"
    if not all(path.exists() for path in wanted):
        if not base.exists():
            _write_documents(download(folder / "packages"), base)
        for path, size in zip(wanted, SIZES_MB, strict=True):
            _write_corpus(_first(base, size * 1_000_000), path)
    if large:
        wanted.append(folder / f"corpus-{LARGE_MB}.jsonl.gz")
        if not wanted[-1].exists():
            _write_large(folder / f"corpus-{SIZES_MB[-1]}.jsonl", folder / f"corpus-{LARGE_MB}.jsonl")
    return wanted


def download(folder: Path) -> list[Path]:
    """The packages, fetched with apt where they are missing, in the order of corpus.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in PACKAGES if not list(folder.glob(f"{name}_*.deb"))]
    if missing:
        subprocess.run(["apt-get", "download", "--quiet", *missing], cwd=folder, check=True)
    return [next(folder.glob(f"{name}_*.deb")) for name in PACKAGES]


def _write_documents(packages: list[Path], path: Path) -> None:
    """All documents once, in an order that only their text decides."""
    found: dict[bytes, dict[str, str]] = {}
    for package in packages:
        source = package.name.partition("_")[0]
        for text in _unpacked(package):
            digest = hashlib.sha256(text.encode()).digest()
            found.setdefault(digest, {"id": digest.hex()[:16], "text": text, "source": source})
        print(f"{source}: {len(found):,} documents so far", flush=True)
    part = path.with_suffix(".part")
    with part.open("wb") as out:
        out.writelines(_line(found[digest]) for digest in sorted(found))
    part.rename(path)


def _unpacked(package: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=package.parent) as folder:
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < BIGGEST_FILE:
                yield from pieces(plain(path), random.Random(str(path.relative_to(folder))))


def plain(path: Path) -> str:
    """The plain text of a page, a manual page or a text file; empty for everything else."""
    content = path.read_bytes()
    name = path.name.lower()
    if name.endswith(".gz"):
        content, name = gzip.decompress(content), name[:-3]
    if b"\0" in content[:1000]:
        return ""
    ending = name.rpartition(".")[2]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if ending in PAGES:
        text = extract_plain_text(text, main_content=True, alt_texts=False, links=False)
    elif "man" in path.parts:
        text = ROFF_ESCAPE.sub("", ROFF_LINE.sub("", text)).replace("\\-", "-")
    elif ending not in TEXTS:
        return ""
    return text.replace("\r\n", "\n").strip()


def pieces(text: str, rng: random.Random) -> Iterator[str]:
    """A text cut at blank lines into pieces of about 4,000 characters, in lengths as they are spread on the web."""
    lines: list[str] = []
    size, limit = 0, _length(rng) if len(text) > WHOLE else WHOLE + 2
    for line in text.split("\n"):
        lines.append(line)
        size += len(line) + 1
        if size >= limit and (not line.strip() or size > 2 * limit):
            yield "\n".join(lines).strip()
            lines, size, limit = [], 0, _length(rng)
    if size >= SHORTEST:
        yield "\n".join(lines).strip()


def _length(rng: random.Random) -> int:
    return int(min(40_000, max(800, rng.lognormvariate(8.3, 0.8))))


def _first(base: Path, size: int) -> list[dict[str, str]]:
    """The first documents, until they hold `size` bytes of text; as hashes order them, they are a sample."""
    documents: list[dict[str, str]] = []
    for line in base.open("rb"):
        documents.append(json.loads(line))
        size -= len(documents[-1]["text"].encode())
        if size <= 0:
            return documents
    raise SystemExit(f"The packages hold {size / 1e6:.0f} MB too little text; add some to corpus.txt.")


def _write_corpus(documents: list[dict[str, str]], path: Path) -> None:
    plain_path = path.with_suffix("")
    pq.write_table(pa.Table.from_pylist(documents), plain_path.with_suffix(".parquet"), row_group_size=4_000)
    with plain_path.open("wb") as out:
        out.writelines(map(_line, documents))
    _compress(plain_path, path)


def _write_large(source: Path, path: Path) -> None:
    copy, size = 0, 0
    with path.open("wb") as out:
        while size < LARGE_MB * 1_000_000:
            copy += 1
            for line in source.open("rb"):
                document = json.loads(line)
                document["text"] = f"Copy {copy} of document {document['id']}.\n{document['text']}"
                document["id"] += f"-{copy}"
                size += out.write(_line(document))
    _compress(path, path.with_suffix(".jsonl.gz"))


def _compress(source: Path, path: Path) -> None:
    """The same bytes compressed, without name and time; the last thing written of a corpus."""
    part = path.with_suffix(".part")
    with source.open("rb") as lines, part.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as out:
        shutil.copyfileobj(lines, out, 1 << 20)
    part.rename(path)


def _line(document: dict[str, str]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


if __name__ == "__main__":
    main()
