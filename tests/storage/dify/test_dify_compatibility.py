"""Compatibility with Dify: its variables open our backends, its seven methods do what its callers need."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth import storage
from cloudberth.errors import NotFound
from cloudberth.storage import Storage
from cloudberth.storage.documentation import facts_of
from cloudberth.storage.registry import BACKENDS, backend_class
from cloudberth.storage.settings import Settings

# Dify 1.15.0's settings classes (tools/dify_settings.py), by storage type.
FILE = Path(__file__).resolve().parents[2] / "apps" / "dify_settings.csv"
GROUPS = {
    "aliyun-oss": "AliyunOSSStorageConfig",
    "azure-blob": "AzureBlobStorageConfig",
    "baidu-obs": "BaiduOBSStorageConfig",
    "clickzetta-volume": "ClickZettaVolumeStorageConfig",
    "google-storage": "GoogleCloudStorageConfig",
    "huawei-obs": "HuaweiCloudOBSStorageConfig",
    "oci-storage": "OCIStorageConfig",
    "opendal": "OpenDALStorageConfig",
    "s3": "S3StorageConfig",
    "supabase": "SupabaseStorageConfig",
    "tencent-cos": "TencentCloudCOSStorageConfig",
    "volcengine-tos": "VolcengineTOSStorageConfig",
}


def dify_variables(type_id: str) -> dict[str, str]:
    """Variables of a type with their defaults, as the source has them (``'auto'``, ``None``)."""
    with FILE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if type_id == "local":
        return {row["name"]: row["default"] for row in rows if row["name"] == "STORAGE_LOCAL_PATH"}
    return {row["name"]: row["default"] for row in rows if row["group"] == GROUPS[type_id]}


def settings_of(type_id: str) -> type[Settings]:
    return backend_class(type_id).settings


def test_every_type_of_dify_is_one_of_ours() -> None:
    assert set(BACKENDS) == {*GROUPS, "local"}
    assert all(dify_variables(type_id) for type_id in BACKENDS)


@pytest.mark.parametrize("type_id", BACKENDS)
def test_every_variable_of_dify_is_read(type_id: str) -> None:
    """Each arrives in a field, with the value that Dify would read."""
    variables = settings_of(type_id).variables()
    assert set(dify_variables(type_id)) <= set(variables.values())
    example = facts_of(type_id).example
    settings = settings_of(type_id).from_environment(example)
    for name, variable in variables.items():
        if variable in example:
            assert as_text(getattr(settings, name)) == example[variable]


@pytest.mark.parametrize("type_id", BACKENDS)
def test_defaults_are_dify_s(type_id: str) -> None:
    names = {variable: name for name, variable in settings_of(type_id).variables().items()}
    for variable, default in dify_variables(type_id).items():
        field = settings_of(type_id).model_fields[names[variable]]
        if default not in {"None", "", "'None'"} and (type_id, variable) not in OTHER_DEFAULTS:
            assert as_text(field.default).lower() == default.strip("'").lower(), variable


# Where ours is another one, and why.
OTHER_DEFAULTS: dict[tuple[str, str], str] = {
    (
        "clickzetta-volume",
        "CLICKZETTA_VOLUME_TYPE",
    ): "the code that runs in Dify asks the environment, or takes table",
}


@pytest.mark.parametrize("type_id", BACKENDS)
def test_the_example_of_the_documentation_opens(type_id: str) -> None:
    """An `.env` of Dify with this type, and with everything else that such a file has in it."""
    others = {name: "" for other in GROUPS if other != type_id for name in dify_variables(other)}
    environment = {**others, "STORAGE_TYPE": type_id, "DB_HOST": "db", **facts_of(type_id).example}
    with storage.open(environment) as opened:
        assert opened.type == ("local" if type_id == "opendal" else type_id) or opened.type == type_id
        secrets = [value for name, value in facts_of(type_id).example.items() if "SECRET_KEY" in name]
        assert not any(secret in opened.place + repr(opened) for secret in secrets)


def as_text(value: object) -> str:
    reveal = getattr(value, "get_secret_value", None)
    found = reveal() if reveal else value
    return str(found).lower() if isinstance(found, bool) else str("" if found is None else found)


# -- the seven methods ---------------------------------------------------------------------------------------


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Storage]:
    """Dify's default: no variable set at all, beside those of the folder."""
    with storage.open({"OPENDAL_FS_ROOT": str(tmp_path / "storage")}) as opened:
        opened.check(create=True)
        yield opened


def test_the_seven_names_take_dify_s_arguments() -> None:
    """Dify passes names by position, and the arguments of scan by name."""
    calls: dict[str, tuple[tuple[object, ...], dict[str, object]]] = {
        "save": (("name", b"data"), {}),
        "load_once": (("name",), {}),
        "load_stream": (("name",), {}),
        "download": (("name", "/path"), {}),
        "exists": (("name",), {}),
        "delete": (("name",), {}),
        "scan": ((), {"path": "name", "files": True, "directories": False}),
    }
    for method, (arguments, named) in calls.items():
        inspect.signature(getattr(Storage, method)).bind(None, *arguments, **named)


def test_the_default_type_is_dify_s_default(bucket: Storage, tmp_path: Path) -> None:
    bucket.save("upload_files/t/a.txt", b"hello")
    assert (tmp_path / "storage/upload_files/t/a.txt").read_bytes() == b"hello"


def test_save_replaces(bucket: Storage) -> None:
    """Azure and Supabase fail here in Dify; keyword tables need it."""
    bucket.save("keyword_files/t/d.txt", b"one")
    bucket.save("keyword_files/t/d.txt", b"two")
    assert bucket.load_once("keyword_files/t/d.txt") == b"two"


def test_what_is_missing_is_a_file_not_found_error(bucket: Storage, tmp_path: Path) -> None:
    """The one error that Dify's callers catch: for private keys, the secret key, caches of texts."""
    for call in (bucket.load_once, bucket.load_stream, bucket.load):
        with pytest.raises(FileNotFoundError):
            call("privkeys/none/private.pem")
    with pytest.raises(FileNotFoundError):
        bucket.download("nothing", str(tmp_path / "target"))
    assert not (tmp_path / "target").exists()


def test_load_stream_says_so_before_the_first_piece(bucket: Storage) -> None:
    with pytest.raises(NotFound):
        bucket.load_stream("nothing")
    bucket.save("a", b"x" * 3_000_000)
    assert b"".join(bucket.load_stream("a")) == b"x" * 3_000_000


def test_download_takes_a_text_as_path(bucket: Storage, tmp_path: Path) -> None:
    bucket.save("upload_files/t/a.pdf", b"pdf")
    bucket.download("upload_files/t/a.pdf", str(tmp_path / "a.pdf"))
    assert (tmp_path / "a.pdf").read_bytes() == b"pdf"


def test_exists_and_delete(bucket: Storage) -> None:
    assert bucket.exists("a") is False
    bucket.save("a", b"")
    assert bucket.exists("a") is True
    bucket.delete("a")
    bucket.delete("a")
    assert bucket.exists("a") is False


def test_scan_finds_files_and_folders_of_a_prefix_and_nothing_beside_it(bucket: Storage) -> None:
    """With or without a slash at its end; in Dify an object store finds nothing without."""
    for key in ("upload_files/a/1", "upload_files/a/2", "upload_files/b/c/3", "upload_files2/x", "tools/t"):
        bucket.save(key, b"x")
    files = ["upload_files/a/1", "upload_files/a/2", "upload_files/b/c/3"]
    assert sorted(bucket.scan("upload_files")) == files
    assert sorted(bucket.scan("upload_files/")) == files
    folders = ["upload_files/a/", "upload_files/b/", "upload_files/b/c/"]
    assert sorted(bucket.scan("upload_files", files=False, directories=True)) == folders
    assert sorted(bucket.scan("upload_files", directories=True)) == sorted(files + folders)


def test_keys_do_not_leave_the_folder(bucket: Storage, tmp_path: Path) -> None:
    """In Dify, with OpenDAL's fs, ``../x`` lands outside of it."""
    bucket.save("../escaped", b"1")
    bucket.save("/absolute", b"2")
    assert not (tmp_path / "escaped").exists()
    assert not Path("/absolute").exists()
    assert (bucket.load("../escaped"), bucket.load("/absolute")) == (b"1", b"2")
