"""CRC-64/XZ as the vendors compute it, with and without a C library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import CorruptData
from cloudberth.storage import checksums, crc64
from cloudberth.storage.checksums import SLOW_UP_TO, Verifier, hasher
from doubles.store import _crc64_slowly


def test_the_check_value_of_the_catalogue() -> None:
    assert crc64.updated(b"123456789", 0) == 0x995DC9BBDF1939FA


@given(data=st.binary(max_size=3000), cut=st.integers(0, 3000))
def test_any_bytes_in_any_pieces(data: bytes, cut: int) -> None:
    assert crc64.updated(data[cut:], crc64.updated(data[:cut], 0)) == _crc64_slowly(data)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("fill", [0, 255, 1])
def test_long_runs_of_one_byte(monkeypatch: pytest.MonkeyPatch, size: int, fill: int) -> None:
    monkeypatch.setattr(crc64, "compiled", lambda: None)
    data = bytes([fill]) * size
    ours = hasher("crc64ecma")
    assert ours is not None
    ours.update(memoryview(data))
    assert ours.hexdigest() == f"{_crc64_slowly(data):016x}"


def test_large_objects_need_fast_code(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"crc64ecma": "995dc9bbdf1939fa"}
    monkeypatch.setattr(checksums, "crc64_compiled", lambda: None)
    assert Verifier.of(known, SLOW_UP_TO + 1) is None
    found = Verifier.of(known, SLOW_UP_TO)
    assert found is not None
    found.update(b"123456789")
    found.check("here")
    found.update(b"0")
    with pytest.raises(CorruptData, match="crc64ecma"):
        found.check("here")
    monkeypatch.setattr(checksums, "crc64_compiled", lambda: crc64.updated)
    assert Verifier.of(known, SLOW_UP_TO + 1) is not None
    assert Verifier.of({**known, "md5": "0" * 32}, 1).algorithm == "md5"  # type: ignore[union-attr]
