"""Chunks: nothing is lost, limits hold, what is repeated was there, and people would cut there too."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.documents import Block, BlockKind, Chunk, Chunking, Document, chunk, estimate_tokens
from cloudberth.knowledge.documents.graphemes import is_boundary
from cloudberth.knowledge.documents.pieces import is_word_start
from thoroughness import examples

PIECES = [
    "The quick brown fox jumps over the lazy dog. ",
    "Dr. Smith paid 3.14 dollars, e.g. for tea. ",
    "这是第一句话。",
    "他说：“你好！”然后走了；",
    "没有标点的中文文字一直写下去直到结束",
    "supercalifragilisticexpialidocious" * 3 + " ",
    "👨‍👩‍👧‍👦🇨🇳é ",
    "\n",
    "a, b, c: ",
    "カタカナと한글 ",
]
texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=40).map("".join).filter(str.strip)
kinds = st.sampled_from(
    [BlockKind.PARAGRAPH, BlockKind.PARAGRAPH, BlockKind.LIST, BlockKind.CODE, BlockKind.HEADING]
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    blocks: list[Block] = []
    for page, (kind, text) in enumerate(draw(st.lists(st.tuples(kinds, texts), min_size=1, max_size=8)), 1):
        if kind is BlockKind.HEADING:
            blocks.append(Block(kind, " ".join(text.split())[:60], page=page, level=1))
        else:
            blocks.append(Block(kind, text.strip(), page=page))
    if draw(st.booleans()):
        rows = "\n".join(f"| 名称 {at} | value {at} |" for at in range(draw(st.integers(1, 60))))
        blocks.append(Block(BlockKind.TABLE, f"| a | b |\n| --- | --- |\n{rows}", header_lines=2))
    return Document("x.txt", "txt", tuple(blocks))


hows = st.builds(
    Chunking,
    mode=st.sampled_from(["paragraph", "sentences", "parent-child"]),
    max_tokens=st.sampled_from([16, 40, 150, 2000]),
    overlap_tokens=st.sampled_from([0, 8]),
    parent_mode=st.sampled_from(["paragraph", "full-doc"]),
    child_max_tokens=st.sampled_from([16, 50]),
)


def shown(document: Document, chunks: list[Chunk]) -> str:
    """The characters of the text that are in a chunk, spaces left out."""
    covered = bytearray(len(document.text))
    for each in chunks:
        covered[each.start : each.end] = b"\1" * (each.end - each.start)
    return "".join(
        letter for letter, seen in zip(document.text, covered, strict=True) if seen and not letter.isspace()
    )


@settings(max_examples=examples(500, 80))
@given(documents(), hows)
def test_nothing_is_lost_and_limits_hold(document: Document, how: Chunking) -> None:
    chunks = chunk(document, how)
    found = [each for each in chunks if not each.is_parent]
    assert shown(document, found) == "".join(document.text.split())
    assert [each.ordinal for each in chunks] == list(range(len(chunks)))
    most = how.child_max_tokens if how.mode == "parent-child" else how.max_tokens
    for each in found:
        assert each.text == each.text.strip() or each.text.startswith("|")
        assert each.text.endswith(document.text[each.start : each.end])
        assert each.tokens == estimate_tokens(each.text)
        # One character as people see it cannot be cut, however many tokens it is.
        graphemes = sum(is_boundary(each.text, at) for at in range(len(each.text)))
        assert each.tokens <= most or graphemes == 1
    assert chunks == chunk(document, how)


@settings(max_examples=examples(300, 50))
@given(documents(), hows)
def test_no_character_and_no_short_word_is_cut(document: Document, how: Chunking) -> None:
    for each in chunk(document, how):
        for at in (each.start, each.end):
            assert is_boundary(document.text, at)
            if not is_word_start(document.text, at):
                # Only inside of a word that is too long for any chunk.
                start, end = at, at
                while start > 0 and not is_word_start(document.text, start):
                    start -= 1
                while end < len(document.text) and not is_word_start(document.text, end):
                    end += 1
                assert estimate_tokens(document.text[start:end]) > 16


@settings(max_examples=examples(300, 50))
@given(documents(), st.sampled_from([0, 8, 20]))
def test_what_is_repeated_is_the_end_of_the_one_before(document: Document, overlap: int) -> None:
    chunks = chunk(document, Chunking(max_tokens=60, overlap_tokens=overlap))
    for before, after in itertools.pairwise(chunks):
        assert after.start > before.start and after.end > before.end
        repeated = document.text[after.start : before.end] if after.start < before.end else ""
        assert estimate_tokens(repeated) <= overlap


@settings(max_examples=examples(200, 40))
@given(documents(), st.sampled_from(["paragraph", "full-doc"]))
def test_children_are_parts_of_their_parent(document: Document, parent_mode: str) -> None:
    how = Chunking.of(
        {"mode": "parent-child", "max_tokens": 200, "child_max_tokens": 40, "parent_mode": parent_mode}
    )
    chunks = chunk(document, how)
    parents = [each for each in chunks if each.is_parent]
    assert shown(document, parents) == "".join(document.text.split())
    for each in chunks:
        if each.is_parent:
            assert each.parent is None
        else:
            assert each.parent is not None and chunks[each.parent].is_parent
            assert chunks[each.parent].start <= each.start < each.end <= chunks[each.parent].end


def paragraphs(*texts: str) -> Document:
    return Document("x.txt", "txt", tuple(Block(BlockKind.PARAGRAPH, text) for text in texts))


def test_paragraphs_are_packed_and_kept_whole() -> None:
    short, long = "One two three four. ", "Seven words are in this very sentence. "
    document = paragraphs(short.strip(), short.strip(), (long * 4).strip())
    chunks = chunk(document, Chunking(max_tokens=40, overlap_tokens=0))
    assert [each.text for each in chunks] == [f"{short.strip()}\n\n{short.strip()}", (long * 4).strip()]


def test_sentences_fill_a_chunk_whatever_their_paragraph() -> None:
    document = paragraphs("甲乙丙丁。" * 4, "子丑寅卯。" * 4)
    by_sentence = chunk(document, Chunking(mode="sentences", max_tokens=30, overlap_tokens=0))
    by_paragraph = chunk(document, Chunking(mode="paragraph", max_tokens=30, overlap_tokens=0))
    assert by_sentence[0].text == "甲乙丙丁。" * 4 + "\n\n" + "子丑寅卯。" * 2
    assert by_paragraph[0].text == "甲乙丙丁。" * 4


def test_overlap_is_whole_sentences_when_one_fits() -> None:
    document = paragraphs("甲乙丙丁。子丑寅卯。春夏秋冬。东南西北。")
    chunks = chunk(document, Chunking(max_tokens=16, overlap_tokens=6))
    assert [each.text for each in chunks] == ["甲乙丙丁。子丑寅卯。春夏秋冬。", "春夏秋冬。东南西北。"]


def test_overlap_is_words_when_no_sentence_fits() -> None:
    document = paragraphs(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho."
    )
    chunks = chunk(document, Chunking(max_tokens=16, overlap_tokens=3))
    assert document.text[chunks[1].start : chunks[0].end] == "mu nu xi"


def test_a_title_stays_with_what_follows_and_ends_what_was_before() -> None:
    document = Document(
        "x.md",
        "md",
        (
            Block(BlockKind.HEADING, "Setup", level=1),
            Block(BlockKind.PARAGRAPH, "Install it.", headings=("Setup",)),
            Block(BlockKind.HEADING, "Use", level=1),
            Block(BlockKind.HEADING, "First steps", level=2, headings=("Use",)),
            Block(BlockKind.PARAGRAPH, "Call it.", headings=("Use", "First steps")),
        ),
    )
    chunks = chunk(document)
    assert [each.text for each in chunks] == ["Setup\n\nInstall it.", "Use\n\nFirst steps\n\nCall it."]
    assert [each.headings for each in chunks] == [("Setup",), ("Use", "First steps")]
    assert chunks[1].indexed_text == chunks[1].text


def test_later_chunks_are_indexed_under_their_titles() -> None:
    body = Block(BlockKind.PARAGRAPH, "It goes on and on. " * 30, headings=("Guide", "Water"))
    document = Document("x.md", "md", (Block(BlockKind.HEADING, "Water", level=2, headings=("Guide",)), body))
    chunks = chunk(document, Chunking(max_tokens=60, overlap_tokens=0))
    assert len(chunks) > 2
    assert chunks[0].indexed_text.startswith("Guide\nWater\n\nIt goes")
    assert chunks[1].indexed_text.startswith("Guide › Water\nIt goes")


def test_every_part_of_a_table_begins_with_its_head() -> None:
    head = "| name | price |\n| --- | --- |"
    rows = [f"| article {at} | {at * 10} |" for at in range(40)]
    table = Block(BlockKind.TABLE, "\n".join([head, *rows]), header_lines=2, sheet="Prices")
    chunks = chunk(Document("x.xlsx", "xlsx", (table,)), Chunking(max_tokens=80))
    assert len(chunks) > 3
    for each in chunks:
        assert each.text.startswith(head + "\n| article")
        assert each.text.count("| name |") == 1
        assert each.sheet == "Prices"
        assert each.tokens <= 80
    assert [line for each in chunks for line in each.text.split("\n")[2:]] == rows


def test_code_that_fits_is_whole_and_code_that_does_not_is_cut_between_lines() -> None:
    lines = [f"    result_{at} = compute({at})" for at in range(30)]
    code = Block(BlockKind.CODE, "\n".join(lines))
    document = Document("x.md", "md", (Block(BlockKind.PARAGRAPH, "See: " * 20), code))
    whole = chunk(document, Chunking(max_tokens=500, overlap_tokens=0))
    assert whole[-1].text.endswith(code.text)
    cut = chunk(document, Chunking(max_tokens=100, overlap_tokens=20))
    for each in cut[1:]:
        assert each.text.strip().startswith("result_") and each.text.endswith(")")


def test_separators_cut_and_are_left_out() -> None:
    document = paragraphs("first ### second", "third", "### fourth")
    chunks = chunk(document, Chunking(separators=("###",)))
    assert [each.text for each in chunks] == ["first", "second\n\nthird", "fourth"]
    lines = chunk(paragraphs("a\nb", "c"), Chunking(separators=("\n\n",)))
    assert [each.text for each in lines] == ["a\nb", "c"]


def test_a_separator_that_covers_the_end_of_a_block_begins_the_next_chunk_once() -> None:
    chunks = chunk(paragraphs("one --", "-- two", "three"), Chunking(separators=("--\n\n--",)))
    assert [each.text for each in chunks] == ["one", "two\n\nthree"]


def test_pages_are_all_that_a_chunk_touches() -> None:
    blocks = tuple(Block(BlockKind.PARAGRAPH, f"Page {page} says this.", page=page) for page in (1, 2, 3))
    (only,) = chunk(Document("x.pdf", "pdf", blocks, pages=3))
    assert only.pages == (1, 2, 3)


def test_the_limit_holds_for_a_counter_that_does_not_add_up() -> None:
    def count(text: str) -> int:
        return len(text.encode()) + 5 if text else 0

    for how in (Chunking(max_tokens=60, overlap_tokens=10), Chunking(mode="sentences", max_tokens=60)):
        chunks = chunk(paragraphs("这是一句话。" * 20, "And English words too. " * 10), how, count)
        assert all(count(each.text) <= 60 for each in chunks)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mode": "pages"}, "mode is one of"),
        ({"max_tokens": 5}, "max_tokens is between"),
        ({"max_tokens": "many"}, "max_tokens is a whole number"),
        ({"max_tokens": True}, "max_tokens is a whole number"),
        ({"overlap_tokens": 300}, "overlap_tokens is between 0 and half"),
        ({"separators": [""]}, "a separator cannot be empty"),
        ({"child_max_tokens": 0}, "child_max_tokens is between"),
        ({"parent_mode": "book"}, "parent_mode is one of"),
        ({"size": 3}, "there is no setting 'size'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Chunking.of(values)


def test_an_empty_document_has_no_chunks() -> None:
    assert chunk(Document("x.txt", "txt", ())) == ()


def test_a_long_document_is_cut_in_time() -> None:
    """Linear: a book of 300,000 characters takes seconds, not hours (the deadline is generous)."""
    import time

    document = paragraphs(*(["这是一句不长不短的话，用来写满一本书。" * 10] * 1500))
    began = time.monotonic()
    chunks = chunk(document, Chunking(mode="parent-child"))
    assert len(chunks) > 1500
    assert time.monotonic() - began < 40
