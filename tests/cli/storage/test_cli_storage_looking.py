"""ls, cat, head, du, presign, uploads: what a user sees of a store."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bucket_on_loopback import SECRET_KEY, Bucket
from typed_commands import Berth

from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import Attributes

DANGEROUS = "evil\x1b[2Jkey\nwith lines"


# -- ls ------------------------------------------------------------------------------------------------------


def test_ls_shows_one_level(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(a=b"1", b__c=b"22", b__d__e=b"333")
    assert berth("storage", "ls", bucket.env).out == "a\nb/\n"
    assert berth("storage", "ls", f"{bucket.url}/b/").out == "b/c\nb/d/\n"
    assert berth("storage", "ls", "-r", bucket.url).out == "a\nb/c\nb/d/e\n"


def test_ls_long_has_sizes_and_a_total(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(small=b"1", large=b"x" * 3000, folder__x=b"")
    result = berth("storage", "ls", "-l", bucket.env)
    lines = result.out.splitlines()
    assert re.match(r" +- .* folder/$", lines[0])
    assert re.match(r" +3000  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  .* large$", lines[1])
    assert result.err == "2 objects, 1 folder, 2.9 KiB\n"
    assert "2.9 KiB" in berth("storage", "ls", "-lH", bucket.env).out


def test_ls_pages(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(**{f"k{number}": b"" for number in range(5)})
    assert berth("storage", "ls", "--limit", 2, bucket.env).out == "k0\nk1\n"
    assert berth("storage", "ls", "--limit", 2, "--after", "k1", bucket.env).out == "k2\nk3\n"


def test_ls_json_has_keys_as_they_are(berth: Berth, bucket: Bucket) -> None:
    bucket.store.save(DANGEROUS, b"12")
    bucket.fill(b__c=b"3")
    document = json.loads(berth("storage", "ls", "--json", bucket.env).out)
    assert [entry["key"] for entry in document["entries"]] == ["b/", DANGEROUS]
    assert (document["objects"], document["folders"], document["bytes"]) == (1, 1, 2)


def test_ls_json_of_nothing_is_a_document(berth: Berth, bucket: Bucket) -> None:
    assert json.loads(berth("storage", "ls", "--json", bucket.env).out)["entries"] == []


def test_a_key_cannot_rewrite_the_terminal(berth: Berth, bucket: Bucket) -> None:
    bucket.store.save(DANGEROUS, b"")
    for command in (("ls",), ("ls", "-l"), ("du",)):
        out = berth("storage", *command, bucket.env).out
        assert "\x1b" not in out
        if command != ("du",):
            assert r"evil\x1b[2Jkey\nwith lines" in out


def test_ls_of_nothing_is_an_error_with_the_place(berth: Berth, bucket: Bucket) -> None:
    result = berth("storage", "ls", f"{bucket.url}/nothing")
    assert (result.code, result.out) == (1, "")
    assert f"{bucket.url}/nothing: nothing starts with this" in result.err
    assert berth("storage", "ls", bucket.url).code == 0, "an empty bucket is no error"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("ls",), "LOCATION"),
        (("ls", "s4://b"), "s4://"),
        (("ls", "--limit", "0", "x"), "--limit"),
        (("ls", "--bandwidth", "fast", "x"), "500K"),
        (("ls", "--timeout", "0", "x"), "--timeout"),
        (("cat",), "LOCATION"),
        (("cat", "s3://b"), "not an object"),
        (("cat", "--range", "9-1", "x"), "ends before"),
        (("cat", "--range", "x", "x"), "0-99"),
        (("head", "s3://b/"), "not an object"),
        (("head", "missing.env#k"), "cannot be read"),
        (("head", "s3://b/%x"), "%25"),
        (("du", "--depth", "0", "x"), "--depth"),
        (("du", "--by", "owner", "x"), "'prefix', 'class', 'age'"),
        (("du", "oss://b/?x"), "name=value"),
        (("presign", "s3://b"), "not an object"),
        (("presign", "--expires", "soon", "s3://b/k"), "15m"),
        (("presign", "--method", "DELETE", "s3://b/k"), "'get', 'put'"),
        (("uploads",), "LOCATION"),
        (("uploads", "--older-than", "x", "s3://b"), "7d"),
        (("uploads", "gs2://b"), "gs2://"),
    ],
)
def test_wrong_input_is_one_line_and_nothing_happens(
    berth: Berth, arguments: tuple[str, ...], part: str
) -> None:
    result = berth("storage", *arguments)
    assert (result.code, result.out) == (2, "")
    assert part in result.err
    assert "Traceback" not in result.err


# -- cat and head --------------------------------------------------------------------------------------------


def test_cat_joins_objects(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(a=b"one ", b=b"two")
    assert berth("storage", "cat", f"{bucket.env}#a", f"{bucket.url}/b").out == "one two"


@pytest.mark.parametrize(
    ("span", "out"), [("0-2", "012"), ("7-", "789"), ("-3", "789"), ("3-3", "3"), ("-99", "0123456789")]
)
def test_cat_of_a_range(berth: Berth, bucket: Bucket, span: str, out: str) -> None:
    bucket.fill(digits=b"0123456789")
    assert berth("storage", "cat", "--range", span, f"{bucket.env}#digits").out == out


def test_cat_of_what_is_not_there(berth: Berth, bucket: Bucket) -> None:
    result = berth("storage", "cat", f"{bucket.env}#nope")
    assert (result.code, result.out) == (1, "")
    assert "nope" in result.err


def test_head_shows_all_that_is_known(berth: Berth, bucket: Bucket) -> None:
    bucket.store.save("x.bin", b"data", Attributes(content_type="a/b", metadata={"who": "me"}))
    result = berth("storage", "head", f"{bucket.env}#x.bin")
    assert re.search(r"^content type +a/b$", result.out, re.MULTILINE)
    assert re.search(r"^metadata who +me$", result.out, re.MULTILINE)
    document = json.loads(berth("storage", "head", "--json", f"{bucket.env}#x.bin").out)
    assert (document["size"], document["metadata"]) == (4, {"who": "me"})


def test_a_wrong_secret_is_a_permission_error_without_the_secret(
    berth: Berth, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCI_SECRET_KEY", "wrong-and-secret")
    result = berth("storage", "ls", bucket.url)
    assert result.code == 1
    assert "Signature" in result.err
    assert "doctor" in result.err
    assert "wrong-and-secret" not in result.err


# -- du ------------------------------------------------------------------------------------------------------


def test_du_by_prefix_class_and_age(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(a__1=b"x" * 3000, a__2=b"x" * 3000, b__c__d=b"x" * 100, top=b"x" * 10)
    result = berth("storage", "du", bucket.env)
    assert result.out.splitlines()[0].endswith("4 objects, 6.0 KiB")
    pattern = r"^  (\S+(?: \S+)*?) {2,}(\d+) +(\S+ \S+) +([\d.]+) %(?: +(\S*))?$"
    rows = re.findall(pattern, result.out, re.MULTILINE)
    assert rows[0] == ("a/", "2", "5.9 KiB", "98.2", "█" * 30)
    assert [row[0] for row in rows] == ["a/", "b/", "(directly here)", "STANDARD", "under a day"]
    assert "a/" not in berth("storage", "du", "--by", "age", bucket.env).out.partition("\n\n")[2]


def test_du_json_counts_everything(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(a__b__1=b"x" * 30, a__c__2=b"x" * 7)
    document = json.loads(berth("storage", "du", "--json", "--depth", 2, bucket.env).out)
    assert document["by_prefix"] == [
        {"name": "a/b/", "objects": 1, "bytes": 30},
        {"name": "a/c/", "objects": 1, "bytes": 7},
    ]
    assert document["largest"] == {"key": "a/b/1", "size": 30}


def test_du_below_a_prefix_is_relative_to_its_folder(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(a__b__1=b"1", a__bb__2=b"2", z=b"3")
    document = json.loads(berth("storage", "du", "--json", f"{bucket.env}#a/b").out)
    assert [row["name"] for row in document["by_prefix"]] == ["b/", "bb/"]


def test_du_folds_what_is_past_the_top(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(**{f"p{number}__x": b"x" * (number + 1) for number in range(5)})
    out = berth("storage", "du", "--top", 2, "--by", "prefix", bucket.env).out
    assert "(3 others)" in out
    assert "p0/" not in out


def test_du_draws_a_picture(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    bucket.store.save("<&>/x", b"x" * 50)
    assert berth("storage", "du", "--svg", "usage.svg", bucket.env).code == 0
    root = ElementTree.fromstring((tmp_path / "usage.svg").read_text())
    texts = "".join(root.itertext())
    assert "<&>/" in texts
    assert "By storage class" in texts
    assert len(root.findall(".//{*}rect")) == 1 + 3, "the ground, and a bar for each of three groups"


def test_du_of_an_empty_bucket(berth: Berth, bucket: Bucket) -> None:
    assert berth("storage", "du", bucket.env).out.endswith("0 objects, 0 B\n")


# -- presign and uploads -------------------------------------------------------------------------------------


def test_a_signed_url_reads_without_credentials(berth: Berth, bucket: Bucket) -> None:
    bucket.fill(x=b"for anybody")
    result = berth("storage", "presign", f"{bucket.env}#x", "--expires", "5m")
    url = result.out.strip()
    assert "X-Amz-Expires=300" in url
    assert SECRET_KEY not in url
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url) as answer:
        assert answer.read() == b"for anybody"


def test_a_signed_url_writes(berth: Berth, bucket: Bucket) -> None:
    document = json.loads(berth("storage", "presign", "--json", "--method", "put", f"{bucket.env}#new").out)
    request = urllib.request.Request(document["url"], b"hello", document["headers"], method="PUT")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request):
        assert bucket.store.load("new") == b"hello"


def test_a_signed_url_holds_seven_days_at_most(berth: Berth, bucket: Bucket) -> None:
    result = berth("storage", "presign", "--expires", "8d", f"{bucket.env}#x")
    assert (result.code, result.out) == (2, "")
    assert "7 days" in result.err


def test_forgotten_uploads_are_shown_and_aborted(berth: Berth, bucket: Bucket) -> None:
    for key in ("a/1", "a/2", "b"):
        upload = bucket.store.backend.start_upload(key)
        bucket.store.backend.put_part(key, upload, 1, BytesBody(b"x"))
    assert berth("storage", "uploads", f"{bucket.env}#a/").out.count("\n") == 2
    assert berth("storage", "uploads", "--older-than", "1h", bucket.env).out == ""
    refused = berth("storage", "uploads", "--abort", "--dry-run", bucket.env)
    assert refused.code == 0
    assert len(list(bucket.store.uploads())) == 3
    result = berth("storage", "uploads", "--abort", "--yes", f"{bucket.env}#a/")
    assert "aborted 2" in result.err
    assert [upload.key for upload in bucket.store.uploads()] == ["b"]
