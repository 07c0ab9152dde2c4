"""Whatever bytes come: a document, or InvalidInput with the file's name. Nothing else, ever."""

from __future__ import annotations

from functools import cache

import pytest
import sample_files as sample
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.documents import Chunking, Limits, chunk, clean, read
from thoroughness import examples

FORMATS = ("csv", "docx", "html", "md", "pdf", "pptx", "tsv", "txt", "xlsx")


@cache
def valid(name: str) -> bytes:
    """A valid file of a format."""
    made = {
        "csv": lambda: "名称,价格\n苹果,3\n".encode(),
        "docx": sample.docx,
        "html": sample.HTML.encode,
        "md": sample.MARKDOWN.encode,
        "pdf": lambda: sample.pdf([["first page"], ["第二页"]], outline=[("first page", 1)]),
        "pptx": sample.pptx,
        "tsv": lambda: b"a\tb\n1\t2\n",
        "txt": lambda: "第一章 总则\n\ntext".encode("gb18030"),
        "xlsx": sample.xlsx,
    }
    return made[name]()


def holds(data: bytes, filename: str) -> None:
    try:
        document = read(data, filename=filename, limits=Limits(seconds=20, expanded=64 << 20))
    except InvalidInput as error:
        assert error.where == filename and error.what
        return
    assert document.blocks
    assert all(block.text.strip() for block in document.blocks)
    for part in chunk(clean(document), Chunking(max_tokens=50)):
        assert part.text.strip()


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=examples(300, 20))
@given(data=st.data())
def test_damaged_files(name: str, data: st.DataObject) -> None:
    content = bytearray(valid(name))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["flip", "drop", "insert", "cut"]))
        if kind == "flip":
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "drop":
            del content[at : at + data.draw(st.integers(1, 40))]
        elif kind == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=12))
        elif at > 8:
            del content[at:]
        if not content:
            break
    holds(bytes(content), f"x.{name}")


@pytest.mark.parametrize("name", ["docx", "xlsx", "pptx"])
@settings(max_examples=examples(200, 12))
@given(data=st.data())
def test_damaged_parts_of_office_files(name: str, data: st.DataObject) -> None:
    """The archive is whole, the XML in it is not what it should be."""
    import io
    import zipfile

    whole = valid(name)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = sorted(each for each in archive.namelist() if each.endswith((".xml", ".rels")))
        part = data.draw(st.sampled_from(parts))
        content = bytearray(archive.read(part))
    at = data.draw(st.integers(0, len(content) - 1))
    tag = data.draw(st.sampled_from([b"", b"<a>", b"&x;", b"</w:p>", b'="-1"', b"9" * 30, b"\x00", b"\xff"]))
    content[at : at + data.draw(st.integers(0, 30))] = tag
    holds(sample.repacked(whole, {part: bytes(content)}), f"x.{name}")


@settings(max_examples=examples(500, 60))
@given(st.binary(max_size=300), st.sampled_from([*FORMATS, "exe", ""]))
def test_any_bytes(data: bytes, suffix: str) -> None:
    holds(data, f"x.{suffix}")


@settings(max_examples=examples(500, 60))
@given(st.text(max_size=300), st.sampled_from(["csv", "html", "md", "txt", "tsv"]))
def test_any_text(text: str, suffix: str) -> None:
    holds(text.encode("utf-8", "surrogatepass"), f"x.{suffix}")


TAGS = """
    <p> </p> <table> <tr> <td> </table> <ul> <li> </ul> <ol> <pre> <h1> </h1> <br> <hidden> <svg> <!-- -->
    <![CDATA[ x &#0; &nbsp; <b> <template> <caption> <td/hidden> <ol/start=9>
"""


@settings(max_examples=examples(300, 60))
@given(st.lists(st.sampled_from(TAGS.split()), max_size=40))
def test_any_order_of_tags(tags: list[str]) -> None:
    holds("".join(tags).encode(), "x.html")
    holds("".join(tags).encode(), "x.md")
