"""Builds the test set of retrieval quality from Debian's package descriptions and their Chinese translations.

    tools/build_retrieval_set.py Translation-en Translation-zh_CN tests/knowledge_quality/debian.jsonl.gz

The two files are what `apt-get update` fetches for Acquire::Languages "en" and "zh_CN" (Debian 12, main). A
query is the one line that introduces a package, its target the long description; both exist in both languages
for the packages that Debian's translators have done. Deterministic: the order is that of a hash of the names.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

ENGLISH = 2000
LONGEST = 600
SHORTEST = 80


def entries(file: Path, language: str) -> Iterator[tuple[str, str, str]]:
    """Package, synopsis, long description."""
    for paragraph in file.read_text(encoding="utf-8").split("\n\n"):
        fields: dict[str, list[str]] = {}
        name = ""
        for line in paragraph.split("\n"):
            if line.startswith(" ") and name:
                fields[name].append(line[1:])
            elif ":" in line:
                name, _, value = line.partition(":")
                fields[name] = [value.strip()]
        description = fields.get(f"Description-{language}")
        if description and "Package" in fields:
            yield fields["Package"][0], description[0], long_text(description[1:])


def long_text(lines: list[str]) -> str:
    """The paragraphs of a description, cut at a paragraph or line once there is enough."""
    paragraphs: list[str] = [""]
    for line in lines:
        if line.strip() == ".":
            paragraphs.append("")
        else:
            paragraphs[-1] += ("\n" if line.startswith(" ") else " ") + line.strip()
    text = "\n\n".join(part.strip() for part in paragraphs if part.strip())
    if len(text) <= LONGEST:
        return text
    cut = max(text.rfind(mark, 0, LONGEST) for mark in ("\n", ". ", "。", " "))
    return text[: cut + 1 if cut > SHORTEST else LONGEST].strip()


def is_chinese(text: str) -> bool:
    """Whether a translation is one: unfinished ones keep whole English paragraphs."""
    return bool(text) and sum("\u4e00" <= letter <= "\u9fff" for letter in text) >= 0.3 * len(text)


def main() -> None:
    english_file, chinese_file, target = map(Path, sys.argv[1:])
    english = {name: (short, text) for name, short, text in entries(english_file, "en")}
    chinese = {
        name: (short, text)
        for name, short, text in entries(chinese_file, "zh_CN")
        if name in english and is_chinese(short) and is_chinese(text) and len(text) >= 30
    }
    # One package of each text: a library and its -dev, -doc, -dbg say the same.
    seen: set[str] = set()
    names: list[str] = []
    order = sorted(english, key=lambda name: (name not in chinese, zlib.crc32(name.encode())))
    for name in order:
        text = english[name][1]
        if len(text) < SHORTEST or text in seen or english[name][0] in seen:
            continue
        seen |= {text, english[name][0]}
        names.append(name)
    names = names[:ENGLISH]
    rows = []
    for name in sorted(names, key=lambda name: zlib.crc32(name.encode())):
        row = {"name": name, "en": english[name]}
        if name in chinese:
            row["zh"] = chinese[name]
        rows.append(json.dumps(row, ensure_ascii=False))
    target.write_bytes(gzip.compress("\n".join(rows).encode(), 9, mtime=0))
    print(len(rows), "packages,", sum('"zh"' in row for row in rows), "in Chinese too", target.stat().st_size)


if __name__ == "__main__":
    main()
