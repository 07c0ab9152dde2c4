"""Locations: what a text means, that every key can be written, and that secrets have no place in one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from app_cases import FACTS
from hypothesis import given
from hypothesis import strategies as st
from typed_commands import Berth

from cloudberth.errors import InvalidInput
from cloudberth.storage import dotenv
from cloudberth.storage.credentials import Credentials, fixed
from cloudberth.storage.location import (
    DeployedBucket,
    EnvironmentFile,
    LocalPath,
    StandardStream,
    Url,
    decoded_key,
    encoded_key,
    open_location,
    parse,
)
from doubles.odd_keys import ODD_KEYS

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


@given(KEYS)
def test_every_key_can_be_written_in_a_url(key: str) -> None:
    location = parse(f"s3://bucket/{encoded_key(key)}?region=x")
    assert isinstance(location, Url)
    assert (location.bucket, location.key, location.query) == ("bucket", key, {"region": "x"})


@given(KEYS)
def test_every_key_can_be_written_behind_a_hash(key: str) -> None:
    location = parse(f".env#{encoded_key(key)}")
    assert location == EnvironmentFile(f".env#{encoded_key(key)}", Path(".env"), key)


@given(KEYS)
def test_a_written_key_can_be_shown(key: str) -> None:
    assert encoded_key(key).isprintable()


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_taken_literally(key: str) -> None:
    written = key.replace("%", "%25").replace("?", "%3F")
    location = parse(f"s3://bucket/{written}")
    assert isinstance(location, Url)
    assert location.key == key


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("a#b", "a#b"),
        ("/a", "/a"),
        ("a//b/../c", "a//b/../c"),
        ("%E4%B8%AD", "中"),
    ],
)
def test_keys_of_urls(written: str, key: str) -> None:
    location = parse(f"gs://bucket/{written}")
    assert isinstance(location, Url)
    assert location.key == key


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("s3://bucket/50%", "%25"),
        ("s3://bucket/%ff", "UTF-8"),
        ("s3://bucket/what?", "%3F"),
        ("s3://bucket/a?region", "name=value"),
        ("ftp://bucket/a", "s3://"),
        ("", "URL"),
        ("file://host/a", "file:///path"),
    ],
)
def test_what_is_no_location_says_how_to_write_one(text: str, part: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse(text)
    assert part in f"{raised.value.what} {raised.value.hint}"


def test_keys_have_no_place_in_a_url() -> None:
    with pytest.raises(InvalidInput) as raised:
        parse("s3://AKIA:secret@bucket/a")
    assert "secret" not in f"{raised.value} {raised.value.hint}"


def test_a_secret_setting_is_refused_and_not_shown(berth: Berth) -> None:
    result = berth("storage", "ls", "s3://bucket/?secret_key=hush&access_key=a")
    assert result.code == 2
    assert "S3_SECRET_KEY" in result.err
    assert "hush" not in result.err + result.out


def test_an_unknown_setting_names_the_known_ones(berth: Berth) -> None:
    result = berth("storage", "ls", "s3://bucket/?regoin=x")
    assert result.code == 2
    assert "regoin" in result.err
    assert "region" in result.err.partition("hint")[2]


@pytest.mark.parametrize(
    "name", [".env", "prod.env", ".env.prod", "deep/er/.env", "/etc/dify/.env", "./x.env"]
)
def test_environment_files(name: str) -> None:
    assert parse(f"{name}#a%20b") == EnvironmentFile(f"{name}#a%20b", Path(name), "a b")


def test_what_is_marked_needs_no_usual_name() -> None:
    assert parse("env:variables.txt#k") == EnvironmentFile("env:variables.txt#k", Path("variables.txt"), "k")
    assert parse("berth:aws.yaml#k") == DeployedBucket("berth:aws.yaml#k", Path("aws.yaml"), "k")


def test_the_name_of_a_deployment_stands_for_its_file(tmp_path: Path) -> None:
    (tmp_path / "berth.yaml").write_text("# mine\nname: shop\ncloud: aws\n")
    assert parse("shop#a", tmp_path) == DeployedBucket("shop#a", tmp_path / "berth.yaml", "a")
    assert parse("other", tmp_path) == LocalPath("other", tmp_path / "other", False)
    (tmp_path / "shop").mkdir()
    assert parse("shop", tmp_path) == LocalPath("shop", tmp_path / "shop", True), "a folder of that name wins"


def test_paths_and_standard_streams(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert parse("-") == StandardStream()
    assert parse("folder", tmp_path) == LocalPath("folder", tmp_path / "folder", True)
    assert parse("new/", tmp_path) == LocalPath("new/", tmp_path / "new", True)
    assert parse("a%20b.txt", tmp_path) == LocalPath("a%20b.txt", tmp_path / "a%20b.txt", False)
    assert parse("file:///a%20b/c.txt") == LocalPath("file:///a%20b/c.txt", Path("/a b/c.txt"), False)


def test_an_environment_file_is_not_mixed_with_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_BUCKET_NAME", "of-this-process")
    (tmp_path / ".env").write_text("STORAGE_TYPE=s3\nS3_ACCESS_KEY=a\nS3_SECRET_KEY=b\n")
    with pytest.raises(InvalidInput, match="S3_BUCKET_NAME is not set"):
        open_location(str(tmp_path / ".env"), {"S3_BUCKET_NAME": "of-this-process"})


def test_a_url_can_name_the_file_of_its_credentials(tmp_path: Path) -> None:
    (tmp_path / "b.env").write_text("S3_ACCESS_KEY=a\nS3_SECRET_KEY=b\nS3_ENDPOINT=http://127.0.0.1:9\n")
    store, key = open_location(f"s3://bucket/x?env={tmp_path}/b.env", {})
    with store:
        assert (store.place, key) == ("s3://bucket", "x")


def test_an_environment_file_without_a_store_says_so(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FOO=1\n")
    with pytest.raises(InvalidInput, match="STORAGE_TYPE"):
        open_location(str(tmp_path / ".env"), {})


# What python-dotenv makes of the same texts, which Dify reads its settings with; compared with it by hand
# over 200,000 random texts when this was written.
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1", {"A": "1"}),
        ("export A = 1 # why", {"A": "1"}),
        ("A=a#b", {"A": "a#b"}),
        ("A='a # b'  # c\n", {"A": "a # b"}),
        ('A="a\\nb\\"c"', {"A": 'a\nb"c'}),
        ("A='a\\nb'", {"A": "a\\nb"}),
        ('A="two\nlines"\nB=2', {"A": "two\nlines", "B": "2"}),
        ("A=\nB=2\r\n", {"A": "", "B": "2"}),
        ("A\nB=2", {"B": "2"}),
        ("A=1\nB=${A}/x\nC=${NONE:-d}\nD=${OUT}", {"A": "1", "B": "1/x", "C": "d", "D": "outside"}),
        ("A=1\nA=2", {"A": "2"}),
        ("# only\n\n   # this\n", {}),
        ("A=$B", {"A": "$B"}),
    ],
)
def test_environment_files_are_read_as_dify_reads_them(text: str, values: dict[str, str]) -> None:
    assert dotenv.parse(text, {"OUT": "outside"}) == values


def test_a_line_that_makes_no_sense_is_named_without_its_content() -> None:
    with pytest.raises(InvalidInput) as raised:
        dotenv.parse("A=1\nSECRET='hush\n", {}, name="prod.env")
    assert "prod.env:2" in str(raised.value)
    assert "hush" not in str(raised.value)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        dotenv.parse(text, {})
    except InvalidInput as error:
        assert error.hint


@given(st.text(max_size=30))
def test_a_decoded_key_is_a_text_or_an_error(text: str) -> None:
    with suppress(InvalidInput, UnicodeEncodeError):
        decoded_key(text).encode()


# -- deployments -------------------------------------------------------------------------------------------


def up(monkeypatch: pytest.MonkeyPatch, facts: dict[str, object]) -> None:
    """As if `berth up` had run: outputs without a Terraform."""
    monkeypatch.setattr(
        "cloudberth.cli.status._outputs", lambda *_arguments, **_keywords: {"facts": facts, "secrets": {}}
    )


def test_a_deployment_that_is_up_is_a_location(
    berth: Berth, minimal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up(monkeypatch, FACTS)
    monkeypatch.setattr("cloudberth.storage.s3.aws_chain", lambda _needed: (fixed(Credentials("a", "b")), ""))
    for location in ("dify#a/b", "berth.yaml#a/b", f"berth:{minimal}#a/b"):
        result = berth("storage", "presign", location)
        assert result.code == 0, result.err
        assert f"https://{FACTS['storage']['bucket']}.s3.{FACTS['storage']['region']}" in result.out
        assert "/a/b?" in result.out


def test_a_deployment_that_is_not_up_says_so(berth: Berth, minimal: Path) -> None:
    result = berth("storage", "ls", "dify")
    assert result.code == 2
    assert "berth up" in result.err
