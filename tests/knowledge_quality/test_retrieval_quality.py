"""The default model with words: not worse than either alone, within a language and across. A small sample
of what benchmarks/retrieval_quality.py measures on all of the set.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "retrieval_quality.py"
PACKAGES = 80


@pytest.fixture(scope="module")
def quality() -> ModuleType:
    spec = importlib.util.spec_from_file_location("retrieval_quality", BENCHMARK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["retrieval_quality"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scores(quality: ModuleType) -> list[tuple[Any, Any, Any]]:
    """Of each kind: the task, the relevance of words, the cosines of the default model."""
    measured = dict(quality.measured(["use"], PACKAGES))
    return [
        (task, words, dense)
        for (task, words), (_, dense) in zip(measured["BM25"], measured["use"], strict=True)
    ]


def test_both_together_are_not_worse_than_either(
    quality: ModuleType, scores: list[tuple[Any, Any, Any]]
) -> None:
    """80 questions: one of them is .0125, so each kind has some room, and their mean has none."""
    fused = quality.by_scores(depth=PACKAGES // 2)
    means: list[list[float]] = []
    for task, words, dense in scores:
        alone = [quality.figures(each, task, 3, chosen_on=None) for each in (words, dense)]
        both = quality.figures(fused(dense, words), task, 3, chosen_on=None)
        assert both.recall >= max(each.recall for each in alone) - 0.03, task.name
        assert both.mrr >= max(each.mrr for each in alone) - 0.03, task.name
        means.append([both.mrr, *(each.mrr for each in alone)])
    together, *alone_means = np.mean(means, axis=0)
    assert together > max(alone_means) + 0.01


def test_what_stores_do_is_not_worse_either(quality: ModuleType, scores: list[tuple[Any, Any, Any]]) -> None:
    for task, words, dense in scores:
        alone = [quality.figures(each, task, 10, chosen_on=None) for each in (words, dense)]
        both = quality.figures(quality.as_shipped(dense, words), task, 10, chosen_on=None)
        assert both.recall >= max(each.recall for each in alone) - 0.03, task.name


def test_a_question_in_chinese_finds_english_texts(
    quality: ModuleType, scores: list[tuple[Any, Any, Any]]
) -> None:
    """Words alone cannot: they find what is spelt the same in both."""
    task, words, dense = scores[2]
    assert task.name == "Chinese to English"
    assert quality.figures(dense, task, 10, chosen_on=None).recall >= 0.9
    assert quality.figures(words, task, 10, chosen_on=None).recall <= 0.75


def test_the_figures_are_right(quality: ModuleType) -> None:
    task = quality.Task("t", ("a", "b", "c"), ("x", "y", "z"), (0, 1, 2), (False, False, True))
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    assert quality.figures(scores, task, 1) == quality.Figures(0.5, 0.75)
    assert quality.figures(scores, task, 3, chosen_on=True) == quality.Figures(1.0, 1 / 3)


def test_words_are_weighed_as_sqlite_does(quality: ModuleType) -> None:
    import sqlite3

    texts = ["red green blue", "red red fish and more words here", "云端 数据", "something else"]
    task = quality.Task("t", ("red fish",), tuple(texts), (1,), (False,))
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE t USING fts5(x)")
    database.executemany("INSERT INTO t VALUES (?)", [(text,) for text in texts])
    found = dict(database.execute("SELECT rowid - 1, -bm25(t) FROM t WHERE t MATCH 'red OR fish'"))
    expected = quality.relevance(task)[0]
    assert found == pytest.approx({0: expected[0], 1: expected[1]}, rel=0.02)
    assert expected[2] == expected[3] == 0
