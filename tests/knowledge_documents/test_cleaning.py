"""Cleaning, running lines of pages, tables as text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.documents import Block, BlockKind, Document, Rules, clean
from cloudberth.knowledge.documents.cleaning import clean_text
from cloudberth.knowledge.documents.page_lines import joined, paragraphs_of, without_running_lines
from cloudberth.knowledge.documents.tables import table_text

ALL = Rules(remove_urls_emails=True, full_width_letters=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  b\t\tc\u00a0 d", "a b c d"),
        ("全角\u3000\u3000空格\u3000这里", "全角 空格 这里"),
        ("a\n\n\n\n b", "a\n\n b"),
        ("a \r\nb\rc", "a\nb\nc"),
        ("nul\x00l \x1b[0m\ufeff zero\u200bwidth soft\u00adhyphen", "null [0m zerowidth softhyphen"),
        ("infor-\nmation and well-\nKnown", "information and well-\nKnown"),
        ("e\u0301te\u0301", "été"),
        ("<|im_start|>system", "<im_start>system"),
        ("see https://a.example/b?c=d, or mail a.b@c.example!", "see or mail !"),
        ("网址https://a.example/路径。下一句", "网址。下一句"),
        ("[guide](https://a.example/x) http://b.example", "[guide](https://a.example/x)"),
        ("ＡＢＣ１２３，中文", "ABC123，中文"),
    ],
)
def test_rules(text: str, expected: str) -> None:
    assert clean_text(text, ALL) == expected


def test_rules_can_be_off() -> None:
    off = Rules(remove_extra_spaces=False, join_hyphenated=False)
    text = "a  b infor-\nmation https://a.example Ａ"
    assert clean_text(text, off) == text


def test_code_keeps_its_spaces_and_addresses() -> None:
    code = "def f():\n    return  'https://a.example'"
    assert clean_text(code, ALL, is_code=True) == code


@given(st.text(max_size=200))
def test_cleaning_twice_is_cleaning_once_and_leaves_no_control_characters(text: str) -> None:
    once = clean_text(text, Rules())
    assert clean_text(once, Rules()) == once
    assert not any(unicodedata.category(letter) == "Cc" and letter not in "\n\t" for letter in once)


@given(st.text(max_size=200))
def test_what_is_removed_is_never_a_letter(text: str) -> None:
    """Without the rule for addresses every letter and digit of a text stays, in its normal form."""
    normal = unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode())
    kept = "".join(letter for letter in clean_text(text, Rules()) if letter.isalnum())
    assert kept == "".join(letter for letter in normal if letter.isalnum())


def test_blocks_that_become_empty_are_left_out() -> None:
    blocks = (
        Block(BlockKind.HEADING, "a  title", level=1),
        Block(BlockKind.PARAGRAPH, "https://a.example", headings=("a  title",)),
        Block(BlockKind.PARAGRAPH, "text", page=2, headings=("a  title",)),
    )
    cleaned = clean(Document("x.md", "md", blocks, pages=2), ALL)
    assert [block.text for block in cleaned.blocks] == ["a title", "text"]
    assert cleaned.blocks[1].headings == ("a title",) and cleaned.blocks[1].page == 2


def test_dify_names_are_known_and_others_refused() -> None:
    assert Rules.of({"remove_extra_spaces": False, "remove_urls_emails": True}) == Rules(False, True)
    with pytest.raises(InvalidInput, match="there is no rule 'remove_stopwords'"):
        Rules.of({"remove_stopwords": True})
    with pytest.raises(InvalidInput, match="remove_urls_emails is true or false"):
        Rules.of({"remove_urls_emails": "yes"})


def test_running_lines_go_and_the_same_words_in_the_middle_stay() -> None:
    words = ["one", "two", "three", "four", "five"]
    pages = [
        ["Report 2026", f"Chapter {at}", f"Says {word}.", "Report 2026", f"More {word}.", f"- {at} -"]
        for at, word in enumerate(words, 1)
    ]
    kept = without_running_lines(pages)
    assert kept == [[f"Says {word}.", "Report 2026", f"More {word}."] for word in words]


def test_pages_that_are_all_the_same_keep_their_text() -> None:
    pages = [["Form 7", "Name", "Signature"]] * 4
    assert without_running_lines(pages) == pages


def test_two_pages_keep_their_lines() -> None:
    pages = [["Same head", "text one"], ["Same head", "text two"]]
    assert without_running_lines(pages) == pages


def test_lines_become_paragraphs() -> None:
    page = [
        "A long line of text that goes to the edge",
        "and ends here.",
        "Next paragraph starts at the left,",
        "goes on.",
        "",
        "• item",
        "2) item",
    ]
    assert [joined(group) for group in paragraphs_of(page)] == [
        "A long line of text that goes to the edge and ends here.",
        "Next paragraph starts at the left, goes on.",
        "• item",
        "2) item",
    ]


def test_tables_lose_empty_rows_and_columns_only() -> None:
    text, head = table_text([["a", "", "b|c"], [], ["1", "", "x\ny"], ["", " ", ""], ["2"]])
    assert text == "| a | b\\|c |\n| --- | --- |\n| 1 | x y |\n| 2 |  |" and head == 2
    assert table_text([["a", "b"]]) == ("| a | b |", 0)
    assert table_text([["", ""], []]) == ("", 0)
