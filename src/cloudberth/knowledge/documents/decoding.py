"""Bytes to text when nobody says how they are encoded."""

from __future__ import annotations

import codecs
import re

from cloudberth.errors import InvalidInput
from cloudberth.extras import late_import

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 64 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MOST_CONTROL = 0.01
_EVERYDAY_HAN = 0.7
_PLAIN = 0.9
_FEWEST_PAIRS = 16
# Of the encodings that charset-normalizer knows, those that people's files are in.
_CANDIDATES = [
    "big5", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1256", "cp932", "cp949", "euc_jp", "euc_kr",
    "gb18030", "koi8_r", "latin_1", "shift_jis",
]  # fmt: skip


def decode(data: bytes, filename: str, declared: str = "") -> str:
    """The text of bytes. declared: the encoding that the file or its sender names; heeded when it fits.

    A byte order mark says it; then what is declared; UTF-8; UTF-16 and GB18030 when it makes common
    Chinese characters; else what charset-normalizer finds most likely. InvalidInput when it is no text at
    all.
    """
    text = _decoded(data, declared)
    if text is None:
        raise InvalidInput("this is no text", where=filename, hint="save it as UTF-8 text")
    sample = text[:_SAMPLE]
    if len(_CONTROL.findall(sample)) > _MOST_CONTROL * len(sample) + 1:
        raise InvalidInput("this is no text", where=filename, hint="save it as UTF-8 text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes, declared: str) -> str | None:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    for encoding in filter(None, (_known(declared), "utf-8")):
        text = _strict(data, encoding)
        if text is not None:
            return text
    wide = _wide(data)
    if wide is not None:
        return wide
    chinese = _strict(data, "gb18030")
    if chinese is not None and _is_everyday_chinese(chinese):
        korean = _strict(data, "cp949") if _is_hangul(data) else None
        return chinese if korean is None else korean
    return _most_likely(data)


def _known(encoding: str) -> str:
    """An encoding's own name when Python has it and it is one of text; else empty."""
    try:
        found = codecs.lookup(encoding.strip("\"' ")).name if encoding else ""
    except (LookupError, ValueError):
        return ""
    if found in ("gb2312", "gbk"):  # what is called so is often more than that
        return "gb18030"
    return found


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: the byte order in which it is ASCII and common Chinese."""
    if len(data) % 2 or len(data) < 8:
        return None
    for encoding in ("utf-16-le", "utf-16-be"):
        sample = data[:_SAMPLE].decode(encoding, "replace")
        plain = sum(
            1 for letter in sample if " " <= letter <= "~" or letter in "\r\n\t" or _is_everyday(letter)
        )
        if plain >= _PLAIN * len(sample):
            return _strict(data, encoding)
    return None


def _is_everyday_chinese(text: str) -> bool:
    """Whether what is not ASCII is mostly Han that GB 2312 calls common (its level 1), or CJK punctuation."""
    foreign = [letter for letter in text[:_SAMPLE] if letter > "\x7f"]
    if not foreign:
        return False
    everyday = sum(1 for letter in foreign if _is_everyday(letter))
    return everyday >= _EVERYDAY_HAN * len(foreign)


def _is_hangul(data: bytes) -> bool:
    """Whether every pair of bytes is in the rows of KS X 1001 that hold Hangul; they are Han in GB 18030 too,
    but hardly any Chinese text keeps to the first third of them.
    """
    leads = [lead for lead, _ in re.findall(rb"([\xa1-\xfe])([\xa1-\xfe])", data[:_SAMPLE])]
    hangul = sum(1 for lead in leads if b"\xb0" <= lead <= b"\xc8")
    return len(leads) >= _FEWEST_PAIRS and hangul >= 0.97 * len(leads)


def _is_everyday(letter: str) -> bool:
    if "\u3000" <= letter <= "\u303f" or "\uff00" <= letter <= "\uffef" or letter in "“”‘’…—·":
        return True
    if not "\u4e00" <= letter <= "\u9fff":
        return False
    try:
        return 0xB0 <= letter.encode("gb2312")[0] <= 0xD7
    except UnicodeError:
        return False


def _most_likely(data: bytes) -> str | None:
    normalizer = late_import("charset_normalizer", extra="documents", needed_for="text that is not UTF-8")
    matches = list(normalizer.from_bytes(data[:_SAMPLE], cp_isolation=_CANDIDATES))
    if not matches:
        return None
    # Equally likely ones come by their names, which puts Central before Western Europe.
    best = matches[0]
    equal = {
        each.encoding for each in matches if (each.chaos, each.coherence) == (best.chaos, best.coherence)
    }
    return data.decode("cp1252" if "cp1252" in equal else best.encoding, "replace")
