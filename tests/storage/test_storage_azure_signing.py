"""Shared Key and SAS: what Microsoft's SDK makes of the same request, and what must not be in the open."""

from __future__ import annotations

import pytest
from azure.storage.blob._shared.authentication import _storage_header_sort
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import InvalidInput
from cloudberth.storage import azure_metadata
from cloudberth.storage.body import BytesBody
from cloudberth.storage.http.message import Origin, Request
from cloudberth.storage.signing import azure_shared_key as signing

KEY = signing.SharedKey.parse("acct", "c2VjcmV0LWtleQ==")
ORIGIN = Origin.parse("https://acct.blob.core.windows.net")
NAMES = st.text("abz019_", min_size=1, max_size=6).filter(lambda name: not name[0].isdigit())


@given(st.sets(NAMES, min_size=1, max_size=8))
def test_headers_are_sorted_as_the_sdk_sorts_them(names: set[str]) -> None:
    """The service sorts as words are sorted; so does the SDK, by a table of its own."""
    headers = {f"x-ms-meta-{name}": "v" for name in names} | {
        "x-ms-date": "d", "x-ms-version": "v", "x-ms-blob-type": "b", "x-ms-blob-content-type": "t",
        "x-ms-access-tier": "Cool",
    }  # fmt: skip
    request = Request("PUT", ORIGIN, "/box/a", headers=headers)
    lines = [line for line in signing.string_to_sign(request, "acct").split("\n") if line.startswith("x-ms-")]
    assert lines == [f"{name}:{value}" for name, value in _storage_header_sort(list(headers.items()))]


def test_what_is_signed() -> None:
    request = Request(
        "PUT", ORIGIN, "/box/a%20b", (("comp", "block"), ("blockid", "QUI=")),
        {"content-md5": "m==", "if-match": '"e"', "x-ms-version": "2026-02-06", "range": "bytes=0-1"},
        BytesBody(b"12345"),
    )  # fmt: skip
    signing.sign(request, KEY, 0)
    assert signing.string_to_sign(request, "acct") == (
        'PUT\n\n\n5\nm==\n\n\n\n"e"\n\n\nbytes=0-1\nx-ms-date:Thu, 01 Jan 1970 00:00:00 GMT\n'
        "x-ms-version:2026-02-06\n/acct/box/a%20b\nblockid:QUI=\ncomp:block"
    )
    assert request.headers["authorization"].startswith("SharedKey acct:")


def test_signing_again_overwrites() -> None:
    request = Request("GET", ORIGIN, "/box/a")
    signing.sign(request, KEY, 0)
    first = dict(request.headers)
    signing.sign(request, KEY, 1)
    assert request.headers.keys() == first.keys()
    assert request.headers["authorization"] != first["authorization"]
    signing.sign(request, KEY, 0)
    assert request.headers == first


def test_keys_are_not_shown() -> None:
    delegated = signing.DelegationKey("o", "t", "s", "e", "b", "v", "dGhlLXZhbHVl")
    assert "secret" not in repr(KEY)
    assert "dGhlLXZhbHVl" not in repr(delegated)


def test_a_key_that_is_no_base64_is_said_and_not_told() -> None:
    with pytest.raises(InvalidInput, match="base64") as caught:
        signing.SharedKey.parse("acct", "my-s3cret!")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ((("se", "1970-01-01T00:01:00Z"),), 60.0),
        ((("se", "1970-01-02"),), 86_400.0),
        ((("se", "soon"),), None),
        ((("si", "policy"),), None),
    ],
)
def test_the_end_of_a_sas(pairs: tuple[tuple[str, str], ...], expected: float | None) -> None:
    assert signing.sas_expiry(pairs) == expected


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=12), max_size=4))
def test_any_metadata_comes_back(metadata: dict[str, str]) -> None:
    """Whatever the names and values are made of; headers stay what HTTP and C# take."""
    lower: dict[str, str] = {}
    for name, value in metadata.items():
        lower.setdefault(name.lower().encode("utf-8", "ignore").decode(), value)
    lower = {name: value for name, value in lower.items() if name and name == name.lower()}
    headers = azure_metadata.to_headers(lower)
    for name, value in headers.items():
        assert name.removeprefix("x-ms-meta-").isidentifier()
        assert name.isascii()
        assert value.isascii()
        assert value.isprintable()
        assert value == value.strip()
        assert value
    assert azure_metadata.from_headers(headers) == lower


@pytest.mark.parametrize("name", ["cbx_", "cbx_zz", "cbx__ff", "cbx_plain"])
def test_names_of_others_are_left_alone(name: str) -> None:
    """What our escaping would not have written is somebody else's, also when it looks alike."""
    assert azure_metadata.from_name(name) == name
