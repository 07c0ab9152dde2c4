"""Sentences, tokens, graphemes: the small rules that chunking stands on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.knowledge.documents.graphemes import is_boundary
from cloudberth.knowledge.documents.pieces import fitting, split_to_fit, words
from cloudberth.knowledge.documents.sentences import sentences
from cloudberth.knowledge.documents.tokens import estimate_tokens


def split(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith and Mrs. Jones met. They talked.", ["Dr. Smith and Mrs. Jones met.", "They talked."]),
        ("It costs 3.14 dollars. Cheap.", ["It costs 3.14 dollars.", "Cheap."]),
        ("See e.g. the manual, p. 12, vol. 3. Then go.", ["See e.g. the manual, p. 12, vol. 3.", "Then go."]),
        ("J. R. Smith wrote it. Nobody else.", ["J. R. Smith wrote it.", "Nobody else."]),
        ("So am I. You too.", ["So am I.", "You too."]),
        ("1. First thing. 2. Second thing.", ["1. First thing.", "2. Second thing."]),
        ('He said "Stop!" Then he left.', ['He said "Stop!"', "Then he left."]),
        ("Wait... what happened?", ["Wait... what happened?"]),
        ("Read https://example.com/a.b.c?d=e. Done.", ["Read https://example.com/a.b.c?d=e.", "Done."]),
        ("第一句。第二句！第三句？", ["第一句。", "第二句！", "第三句？"]),
        ("他说：“你好！”然后走了。", ["他说：“你好！”", "然后走了。"]),
        ("甲；乙……丙", ["甲；", "乙……", "丙"]),
        ("价格是3.14元。便宜", ["价格是3.14元。", "便宜"]),
        ("版本1.2.3发布了.下一个版本", ["版本1.2.3发布了.", "下一个版本"]),
        ("これは文です。次の文。", ["これは文です。", "次の文。"]),
        ("One line\nof a wrapped sentence. Next.", ["One line\nof a wrapped sentence.", "Next."]),
        ("A title\n\nA paragraph", ["A title", "A paragraph"]),
        ("no end", ["no end"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@given(st.text(alphabet='ab1 .。!?！？”"\n…；ABI“', max_size=80))
def test_sentences_follow_each_other_without_a_gap(text: str) -> None:
    spans = list(sentences(text))
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)


@given(st.text(max_size=60), st.text(max_size=60))
def test_parts_never_count_less_than_the_whole(left: str, right: str) -> None:
    assert estimate_tokens(left + right) <= estimate_tokens(left) + estimate_tokens(right)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("  \n", 0),
        ("hello world", 2),
        ("tokenization", 2),
        ("你好世界", 4),
        ("2026", 2),
        ("a, b!", 4),
        ("naïve", 2),
    ],
)
def test_tokens_are_estimated(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@pytest.mark.parametrize(
    "whole",
    ["👨‍👩‍👧‍👦", "🇨🇳", "é", "👍🏽", "한", "각", "\r\n", "☝️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "க்"],
    ids=[
        "family",
        "flag",
        "accent",
        "tone",
        "jamo",
        "syllable",
        "line-end",
        "selector",
        "tag-flag",
        "virama",
    ],
)
def test_what_people_see_as_one_is_not_cut(whole: str) -> None:
    text = f"x{whole}y"
    inside = range(2, 1 + len(whole))
    assert not any(is_boundary(text, at) for at in inside)
    assert is_boundary(text, 1) and is_boundary(text, 1 + len(whole))


def test_two_flags_are_cut_between_them() -> None:
    assert [is_boundary("🇨🇳🇩🇪", at) for at in range(5)] == [True, False, True, False, True]


@given(st.text(max_size=200), st.integers(1, 30), st.booleans())
def test_pieces_cover_the_text_and_fit(text: str, most: int, by_line: bool) -> None:
    spans = list(fitting(text, 0, len(text), most, estimate_tokens, by_line=by_line))
    assert "".join(text[start:end] for start, end in spans) == text
    for start, end in spans:
        piece = text[start:end]
        assert estimate_tokens(piece) <= most or sum(is_boundary(piece, at) for at in range(len(piece))) == 1


def test_a_word_of_many_letters_is_cut_in_time() -> None:
    parts = split_to_fit("x" * 200_000, 100, estimate_tokens)
    assert "".join(parts) == "x" * 200_000
    assert all(estimate_tokens(part) <= 100 for part in parts)


@given(st.text(alphabet="ab 中文,\n", max_size=60))
def test_words_cover_the_text(text: str) -> None:
    assert "".join(text[start:end] for start, end in words(text, 0, len(text))) == text
