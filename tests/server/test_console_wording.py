"""Languages, themes, numbers: what a reader sees."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cloudberth.server import formats
from cloudberth.server.panel.section import MENDABLE
from cloudberth.server.sections import load_sections
from cloudberth.server.wording import chosen_language
from cloudberth.tracing.checks import _WORDS
from doubles.rag_spans import rag_trace

SERVER = Path(formats.__file__).parent
FOLDERS = [SERVER, *(section.folder for section in load_sections())]
SAID = re.compile(r"""\bt\(\s*(?:"([^"]+)"|'([^']+)')\s*[,)]""")


def sentences(folder: Path) -> set[str]:
    """What the templates of a folder say."""
    files = (folder / "templates").rglob("*.html")
    return {one or two for file in files for one, two in SAID.findall(file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
def test_every_sentence_is_there_in_chinese(folder: Path) -> None:
    chinese = json.loads((folder / "translations" / "zh.json").read_text(encoding="utf-8"))
    found = sentences(folder)
    assert len(found) > 10
    assert not found - chinese.keys()
    for english, said in chinese.items():
        assert set(re.findall(r"\{(\w+)\}", english)) == set(re.findall(r"\{(\w+)\}", said)), english


def test_words_from_the_code_are_there_in_chinese() -> None:
    known: dict[str, str] = {}
    for folder in FOLDERS:
        known |= json.loads((folder / "translations" / "zh.json").read_text(encoding="utf-8"))
    said = {entry.title for section in load_sections() for entry in section.entries} | set(_WORDS.values())
    assert not said - known.keys()
    assert MENDABLE


def test_a_sentence_is_said_in_one_way() -> None:
    """Sections share one dictionary: what two of them translate has to be the same."""
    seen: dict[str, str] = {}
    for folder in FOLDERS:
        for english, said in json.loads((folder / "translations" / "zh.json").read_text("utf-8")).items():
            assert seen.setdefault(english, said) == said, english


def test_pages_speak_chinese(filled) -> None:
    filled.client.cookies.set("berth_language", "zh")
    trace = f"/traces/{rag_trace(10)[0].trace_id.hex()}"
    for path, words in {
        "/": ("概览", "最近 24 小时", "费用占比"),
        "/traces": ("筛选", "2 个错误", "全部"),
        trace: ("瀑布图", "失败", "属性"),
        "/sessions": ("最近追踪",),
        "/providers": ("追踪平台", "添加目标"),
        "/providers/new/langfuse": ("私钥", "采样比例", "完整发送"),
        "/keys": ("新建密钥",),
        "/nothing": ("操作未成功", "这里什么都没有"),
    }.items():
        text = filled.client.get(path).text
        assert 'lang="zh-Hans"' in text, path
        for word in words:
            assert word in text, (path, word)


def test_the_language_is_the_cookies_then_the_browsers(visitor) -> None:
    assert "Administrator token" in visitor.get("/sign-in")
    assert "管理员令牌" in visitor.get("/sign-in", **{"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"})
    answer = visitor.client.get("/language/zh?next=/sign-in")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert "管理员令牌" in visitor.get("/sign-in")
    assert visitor.client.get("/language/xx?next=//evil.test").headers["location"] == "/"


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "fr,de;q=0.5", "en"),
        (None, "en;q=0.1, zh-TW", "zh"),
        (None, "zh;q=0, en", "en"),
        ("en", "zh", "en"),
        ("xx", "zh", "zh"),
        (None, "zh;q=x,en", "en"),
    ],
)
def test_the_choice_of_the_language(cookie: str | None, accepted: str, language: str) -> None:
    assert chosen_language(cookie, accepted) == language


def test_the_theme_is_remembered(visitor) -> None:
    assert 'data-theme="auto"' in visitor.get("/sign-in")
    visitor.client.get("/theme/dark?next=/sign-in")
    assert 'data-theme="dark"' in visitor.get("/sign-in")
    visitor.client.cookies.set("berth_theme", '"><script>')
    assert "<script>" not in visitor.get("/sign-in")


@pytest.mark.parametrize(
    ("nanoseconds", "said"),
    [
        (None, "–"), (0, "0"), (42_000, "42 µs"), (420_000, "420 µs"), (1_500_000, "1.5 ms"),
        (999_900_000, "1.00 s"), (1_250_000_000, "1.25 s"), (185e9, "3 m 05 s"), (7_800e9, "2 h 10 m"),
        (353_000e9, "4 d 2 h"),
    ],
)  # fmt: skip
def test_durations(nanoseconds: float | None, said: str) -> None:
    assert formats.duration(nanoseconds) == said


def test_numbers() -> None:
    assert [formats.short_number(n) for n in (None, 0, 950, 1234, 34_500_000, 2e9, 12.5)] == [
        "–", "0", "950", "1.2k", "34.5M", "2.0G", "12",
    ]  # fmt: skip
    assert [formats.money(n) for n in (None, 0, 0.00001, 0.0042, 1234.5)] == [
        "–", "$0", "$1.0e-05", "$0.0042", "$1,234.50",
    ]  # fmt: skip
    assert [formats.size(n) for n in (None, 12, 2048, 5 << 30)] == ["–", "12 B", "2.0 KiB", "5.0 GiB"]
    assert formats.pretty('{"a":"中"}') == '{\n  "a": "中"\n}'
    assert formats.pretty("{no json") == "{no json"
    assert (
        formats.moment(1_764_000_000_000_000_000, formats.zone_named("Asia/Shanghai"))
        == "2025-11-25 00:00:00"
    )
    for odd in ("../../etc/passwd", "x" * 100, "", None, "/etc/localtime", "No/Where"):
        assert str(formats.zone_named(odd)) == "UTC"


def test_every_field_has_a_label(filled) -> None:
    """Whoever cannot see the page hears what a field is for."""
    for path in ("/", "/traces", "/sessions", "/providers/new/langfuse", "/keys", "/sign-in"):
        text = filled.client.get(path).text if path != "/sign-in" else _door(filled)
        labels = set(re.findall(r'<label[^>]* for="([^"]+)"', text))
        fields = re.findall(r"<(?:input|select|textarea)\b([^>]*)>", text)
        for field in fields:
            if 'type="hidden"' in field or 'type="checkbox"' in field or " hidden" in field:
                continue
            name = re.search(r'\bid="([^"]+)"', field)
            assert name and name[1] in labels, (path, field)
        assert '<html lang="' in text


def _door(console) -> str:
    console.client.cookies.clear()
    return str(console.client.get("/sign-in").text)
