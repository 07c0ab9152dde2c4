"""Reading: what people see in a file comes out as blocks, and what is no document is one clear error."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import sample_files as sample

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.documents import Block, BlockKind, Document, Limits, formats, read, read_apart


def lines(document: Document) -> list[tuple[str, str]]:
    return [(block.kind.value, block.text) for block in document.blocks]


def test_docx_gives_titles_lists_tables_and_what_was_inserted() -> None:
    document = read(sample.docx(), filename="handbook.docx")
    assert lines(document) == [
        ("heading", "员工手册"),
        ("heading", "Leave"),
        ("paragraph", "Everybody has 30 days. ins-text"),
        ("list", "- first\n- second"),
        ("heading", "Sick leave"),
        ("paragraph", "Call in the morning."),
        ("table", "| days | reason |\n| --- | --- |\n| 5 | a \\| b |"),
        ("paragraph", "inside a control"),
    ]
    assert document.blocks[5].headings == ("员工手册", "Leave", "Sick leave")
    assert document.title == "员工手册"


def test_xlsx_gives_a_table_for_each_block_of_rows() -> None:
    document = read(sample.xlsx(), filename="prices.xlsx")
    assert lines(document) == [
        ("heading", "Prices"),
        ("table", "| name | price |\n| --- | --- |\n| apple | 1 |\n| pear | 2.5 |"),
        ("table", "| day |\n| --- |\n| 2026-11-26 |"),
        ("heading", "Notes"),
        ("paragraph", "只有一句话"),
    ]
    assert [block.sheet for block in document.blocks] == ["Prices"] * 3 + ["Notes"] * 2


def test_pptx_gives_a_page_for_each_slide() -> None:
    document = read(sample.pptx(), filename="plan.pptx")
    assert [(block.page, block.kind.value, block.text) for block in document.blocks] == [
        (1, "heading", "Plan"),
        (1, "list", "- first\n  - deeper"),
        (1, "table", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        (1, "paragraph", "Say hello."),
        (2, "paragraph", "在组里"),
    ]
    assert document.pages == 2


def test_html_gives_what_is_shown_and_nothing_that_is_hidden() -> None:
    document = read(sample.HTML.encode(), filename="tea.html")
    assert lines(document) == [
        ("heading", "Tea"),
        ("paragraph", "Boil fresh water.\nWait."),
        ("list", "- green\n  - sencha\n- black"),
        ("list", "3. third"),
        ("heading", "Prices"),
        ("paragraph", "Of 2026"),
        ("table", "| tea | price |\n| --- | --- |\n| green | 3 € |"),
        ("code", "  kettle --on\n  wait"),
        ("paragraph", "last words"),
    ]
    assert document.title == "Water & tea"
    assert document.blocks[-1].headings == ("Tea", "Prices")


def test_markdown_gives_text_without_its_marks() -> None:
    document = read(sample.MARKDOWN.encode(), filename="tea.md")
    assert lines(document) == [
        ("paragraph", "title: Tea"),
        ("heading", "Tea"),
        ("paragraph", "Boil fresh water, see the guide (https://example.com/guide) and a cup."),
        ("list", "1. first\n2. second\n  - deeper"),
        ("heading", "Prices"),
        ("table", "| tea | price |\n| --- | --- |\n| green | 3 |"),
        ("code", "kettle --on"),
        ("paragraph", "quoted"),
        ("paragraph", "inline html"),
    ]
    assert document.title == "Tea"


HEAD, FOOT = "ACME confidential", "Page {} of 4"
PAGES = [
    [
        HEAD,
        "Introduction",
        "This is a hyphen-",
        "ated word in a paragraph",
        "that ends here.",
        "",
        FOOT.format(1),
    ],
    [HEAD, "第一段文字写到行末，", "没有空格地接下去。", "", "Second paragraph here.", FOOT.format(2)],
    [HEAD, "• one item", "• another item", FOOT.format(3)],
    [HEAD, "Conclusion", "The end comes to all.", FOOT.format(4)],
]


def test_pdf_gives_paragraphs_pages_and_titles_without_running_heads() -> None:
    data = sample.pdf(PAGES, outline=[("Introduction", 1), ("Conclusion", 4)], title="Report")
    document = read(data, filename="report.pdf")
    assert [(block.page, block.kind.value, block.text) for block in document.blocks] == [
        (1, "heading", "Introduction"),
        (1, "paragraph", "This is a hyphenated word in a paragraph that ends here."),
        (2, "paragraph", "第一段文字写到行末，没有空格地接下去。"),
        (2, "paragraph", "Second paragraph here."),
        (3, "paragraph", "• one item"),
        (3, "paragraph", "• another item"),
        (4, "heading", "Conclusion"),
        (4, "paragraph", "The end comes to all."),
    ]
    assert document.title == "Report" and document.pages == 4
    assert document.blocks[3].headings == ("Introduction",)


def test_pages_of_a_pdf_without_text_are_noted() -> None:
    document = read(sample.pdf([["Some text."], [], [""]]), filename="x.pdf")
    assert document.notes == ("no text on page 2, 3: scanned?",)


def test_a_pdf_that_only_forbids_printing_is_read() -> None:
    document = read(sample.pdf([["open to all"]], password=sample.OWNER), filename="x.pdf")
    assert document.text == "open to all"


def test_csv_finds_its_delimiter_and_its_encoding() -> None:
    data = "名称;价格\n苹果;3\n梨子;4\n"
    expected = "| 名称 | 价格 |\n| --- | --- |\n| 苹果 | 3 |\n| 梨子 | 4 |"
    for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
        assert read(data.encode(encoding), filename="x.csv").text == expected
    assert read(b"a\tb\n1\t2,5\n", filename="x.tsv").text == "| a | b |\n| --- | --- |\n| 1 | 2,5 |"


CHINESE = "第一章 总则\n\n公司员工应当遵守本手册的规定，按时上班。\n\n第一节 请假\n请假须提前三天申请。"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_text_is_read_in_every_encoding_people_use(encoding: str) -> None:
    document = read(CHINESE.encode(encoding), filename="x.txt")
    assert lines(document) == [
        ("heading", "第一章 总则"),
        ("paragraph", "公司员工应当遵守本手册的规定，按时上班。"),
        ("heading", "第一节 请假"),
        ("paragraph", "请假须提前三天申请。"),
    ]
    assert document.blocks[-1].headings == ("第一章 总则", "第一节 请假")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("big5", "本公司員工應遵守本手冊之規定，準時上班，請假須於三日前申請，並經主管核准後生效。" * 3),
        (
            "shift_jis",
            "社員は本規程を守り、定時に出勤しなければならない。休暇は三日前までに申請すること。" * 3,
        ),
        ("euc_kr", "직원은 이 규정을 지켜야 하며 정시에 출근해야 한다. 휴가는 사흘 전에 신청해야 한다." * 3),
        ("cp1252", "Il a été décidé à l’école d’où ça vient, et le garçon préfère les pâtes. " * 5),
        ("cp1251", "Сотрудники должны соблюдать правила внутреннего распорядка компании. " * 5),
    ],
    ids=["big5", "shift_jis", "euc_kr", "cp1252", "cp1251"],
)
def test_other_encodings_are_recognised(encoding: str, text: str) -> None:
    assert read(text.encode(encoding), filename="x.txt").text == text.strip()


def test_the_encoding_that_a_page_or_its_sender_names_is_heeded() -> None:
    page = '<meta charset="gb2312"><p>短</p>'
    assert read(page.encode("gb18030"), filename="x.html").text == "短"
    assert (
        read("é".encode("cp1252"), filename="x.txt", content_type="text/plain; charset=windows-1252").text
        == "é"
    )


@pytest.mark.parametrize(
    ("filename", "content_type", "data", "expected"),
    [
        ("README", "text/markdown", b"# x", "md"),
        ("page", "", b"<!DOCTYPE html><p>x", "html"),
        ("x.PDF", "", sample.pdf([["x"]]), "pdf"),
        ("wrong.txt", "text/plain", sample.pdf([["x"]]), "pdf"),
        ("notes.log", "application/octet-stream", b"x", "txt"),
        ("x.bin", "text/csv; charset=utf-8", b"a,b", "csv"),
    ],
    ids=["type", "sniffed", "suffix", "content", "log", "parameter"],
)
def test_a_format_is_known_by_content_name_and_type(
    filename: str, content_type: str, data: bytes, expected: str
) -> None:
    assert read(data, filename=filename, content_type=content_type).format == expected


def test_files_and_streams_are_read_like_bytes(tmp_path: Path) -> None:
    file = tmp_path / "x.md"
    file.write_bytes(b"# Title\n\ntext")
    expected = read(b"# Title\n\ntext", filename="x.md")
    assert read(file, filename="x.md") == expected == read(io.BytesIO(b"# Title\n\ntext"), filename="x.md")
    assert read_apart(file, filename="x.md") == expected
    with pytest.raises(InvalidInput, match="cannot be opened"):
        read(tmp_path / "none.md", filename="none.md")


def test_every_format_says_its_suffixes() -> None:
    assert set(formats()) == {"csv", "docx", "html", "md", "pdf", "pptx", "tsv", "txt", "xlsx"}


BOMB = b"0" * (5 << 20)
ENTITY = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><Types/>'
EXTERNAL = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'.encode(
    "utf-16"
)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


def _archive() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("photo.jpg", b"x")
    return target.getvalue()


@pytest.mark.parametrize(
    ("filename", "data", "said"),
    [
        ("x.pdf", b"", "the file is empty"),
        ("x.exe", b"MZ\x90\x00", "files of this kind cannot be read"),
        ("x.pdf", b"hello", "this is no PDF file"),
        ("x.docx", b"hello", "this is no DOCX file"),
        ("x.pdf", sample.pdf([["x"]])[:300], "no text in it: scanned|broken, or not whole"),
        ("x.pdf", sample.pdf([[], []]), "there is no text in it: scanned"),
        ("x.pdf", sample.pdf([["x"]], password="secret"), "protected by a password"),
        ("x.docx", sample.docx()[:-400], "broken, or not whole"),
        ("x.doc", OLE, "a file of an old Office version"),
        ("x.docx", OLE + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        ("x.rtf", b"{\\rtf1 hello}", "RTF files cannot be read"),
        ("x.zip", _archive(), "this archive is no document"),
        ("x.xlsx", sample.repacked(sample.xlsx(), {"xl/workbook.xml": b"<workbook"}), "broken, or not whole"),
        ("x.docx", sample.repacked(sample.docx(), {"word/evil.xml": ENTITY}), "declares a document type"),
        ("x.pptx", sample.repacked(sample.pptx(), {"ppt/evil.xml": EXTERNAL}), "declares a document type"),
        ("x.docx", sample.repacked(sample.docx(), {"word/bomb.bin": BOMB}), "too large: .* when unpacked"),
        ("x.txt", bytes(range(256)) * 20, "this is no text"),
        ("x.txt", b" \n\t ", "there is no text in it"),
        ("x.html", b"<html><script>x</script></html>", "there is no text in it"),
        ("x.html", b"<div>" * 5000 + b"deep", "nested too deep"),
        ("x.md", b">" * 5000 + b" deep", "nested too deep"),
        ("x.csv", b'"' + b"x" * 200_000 + b'"', "this is no table of text"),
    ],
    ids=[
        "empty", "program", "no-pdf", "no-docx", "cut-pdf", "scanned", "password", "cut-docx", "old",
        "locked", "rtf", "archive", "bad-xml", "entity", "external", "bomb", "binary", "blank", "no-words",
        "deep-html", "deep-md", "long-field",
    ],
)  # fmt: skip
def test_what_is_no_document_is_one_clear_error(filename: str, data: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        read(data, filename=filename, limits=Limits(expanded=4 << 20))
    assert caught.value.where == filename
    assert str(caught.value).startswith(f"{filename}: ")


@pytest.mark.parametrize(
    ("filename", "data", "limits", "said"),
    [
        ("x.txt", b"x" * 101, Limits(size=100), "more than 100 bytes"),
        ("x.txt", b"x" * 101, Limits(characters=100), "more than 100 characters"),
        ("x.pdf", sample.pdf([["x"]] * 3), Limits(pages=2), "more than 2 pages"),
        ("x.xlsx", sample.xlsx(), Limits(cells=4), "more than 4 cells"),
        ("x.csv", b"a,b\n1,2\n3,4\n", Limits(cells=4), "more than 4 cells"),
        ("x.docx", sample.docx(), Limits(members=3), "more than 3 parts"),
        ("x.docx", sample.docx(), Limits(seconds=0), "takes more than 0 s"),
    ],
    ids=["size", "characters", "pages", "cells", "csv-cells", "members", "seconds"],
)
def test_limits_hold(filename: str, data: bytes, limits: Limits, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read(data, filename=filename, limits=limits)


def test_reading_apart_gives_the_same_document_and_the_same_error() -> None:
    data = sample.docx()
    assert read_apart(data, filename="x.docx") == read(data, filename="x.docx")
    with pytest.raises(InvalidInput, match=r"^x\.pdf: there is no text in it: scanned\?$") as caught:
        read_apart(sample.pdf([[]]), filename="x.pdf")
    assert "OCR" in caught.value.hint


def test_a_reader_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    from cloudberth.knowledge.documents import apart

    monkeypatch.setattr(apart, "_GRACE", 0.0)
    with pytest.raises(InvalidInput, match=r"takes more than 0\.05 s"):
        read_apart(b"text", filename="x.txt", limits=Limits(seconds=0.05))


def test_a_reader_that_wants_all_memory_is_an_error_of_the_file() -> None:
    """Less than it takes to hold the rows: the parser's MemoryError becomes an error that names the limit."""
    with pytest.raises(InvalidInput, match=r"too large: .*memory"):
        read_apart(b"a,b\n" * 400_000, filename="x.csv", limits=Limits(memory=80 << 20))


def test_importing_loads_no_parser() -> None:
    code = (
        "import sys, cloudberth.knowledge.documents as d; d.read(b'x', filename='x.txt'); print(*sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(answer.stdout.split())
    assert not loaded & {"pypdf", "docx", "openpyxl", "pptx", "lxml", "markdown_it", "numpy", "pydantic"}


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    with pytest.raises(InvalidInput) as caught:
        read(sample.pdf([["x"]]), filename="x.pdf")
    assert 'pip install "cloudberth[documents]"' in caught.value.hint


def test_a_document_survives_json() -> None:
    from dataclasses import asdict

    from cloudberth.knowledge.documents.apart import _document

    document = read(sample.MARKDOWN.encode(), filename="x.md")
    assert _document(json.loads(json.dumps(asdict(document)))) == document
    assert isinstance(document.blocks[0], Block) and document.blocks[0].kind is BlockKind.PARAGRAPH
