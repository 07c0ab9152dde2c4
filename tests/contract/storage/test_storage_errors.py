"""What goes wrong is said by the same typed error on every store, and never tells a secret."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from secrets import token_hex

import pytest
from rig import Rig, Running
from storage_cases import OPTIONS, Lacks, opened

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    ExpiredCredentials,
    InvalidInput,
    NotFound,
    PermissionDenied,
    WrongRegion,
)
from cloudberth.storage.storage import Storage

ERRORS: Mapping[str, type[BackendError]] = {
    "secret": PermissionDenied,
    "bucket": BucketNotFound,
    "region": WrongRegion,
    "token": ExpiredCredentials,
}
SECRET_WORDS = (
    "SECRET",
    "PASSWORD",
    "TOKEN",
    "ACCOUNT_KEY",
    "API_KEY",
    "JSON",
    "PRIVATE",
    "CREDENTIAL",
    "SAS",
)


def secrets_of(*environments: Mapping[str, str]) -> set[str]:
    """Values that may stand in no message."""
    return {
        value
        for environment in environments
        for name, value in environment.items()
        if len(value) >= 8 and any(word in name.upper() for word in SECRET_WORDS)
    }


def wrong(running: Running, what: str) -> Mapping[str, str]:
    """The environment that has to fail; the vendor may not know such a thing at all."""
    if what not in running.wrong:
        pytest.skip(f"not applicable: {running.environment['STORAGE_TYPE']} has no wrong {what} here")
    return running.wrong[what]


@pytest.mark.parametrize("what", ERRORS)
def test_every_operation_gives_the_typed_error(running: Running, rig: Rig, what: str) -> None:
    environment = wrong(running, what)
    expected = ERRORS[what]
    secrets = secrets_of(running.environment, environment)
    with opened(environment) as storage:
        for name, attempt in {
            "check": lambda: storage.check(),
            "load": lambda: storage.load("a"),
            "save": lambda: storage.save("a", b"x"),
            "list": lambda: list(storage.list()),
            "head": lambda: storage.head("a"),
            "exists": lambda: storage.exists("a"),
            "delete": lambda: storage.delete(["a", "b"]),
        }.items():
            with pytest.raises(BackendError) as caught:
                attempt()
            error = caught.value
            # A HEAD has no body: some vendors tell there no more than the status.
            vague = name in {"head", "exists"} and what in {"bucket", "token", "region"}
            right = (expected, NotFound, PermissionDenied, BackendError) if vague else (expected,)
            assert isinstance(error, right), f"{name}: {error!r}"
            assert what == "token" or not isinstance(error, ExpiredCredentials), name
            assert not error.retryable, name
            told = "".join(traceback.format_exception(error)) + repr(error) + error.hint
            assert not [secret for secret in secrets if secret in told], name


def test_a_missing_bucket_does_not_look_like_a_missing_object(running: Running) -> None:
    """`exists` says False of an object only: a wrong bucket is an error, not an empty one."""
    with opened(wrong(running, "bucket")) as storage:
        with pytest.raises(BackendError):
            storage.exists("a")
        with pytest.raises(BucketNotFound):
            storage.exists_prefix("a")


def test_an_error_says_where_and_what_to_do(running: Running, storage: Storage) -> None:
    with pytest.raises(NotFound) as caught:
        storage.load("folder/a b")
    assert storage.backend.place in caught.value.where
    assert "folder/a b" in str(caught.value)


def test_secrets_are_in_no_representation(running: Running) -> None:
    secrets = secrets_of(running.environment)
    with opened(running.environment) as storage:
        told = (
            repr(storage)
            + repr(storage.backend)
            + str(storage.backend)
            + storage.place
            + repr(storage.options)
        )
    assert not [secret for secret in secrets if secret in told]


def test_the_bucket_is_checked(root: Storage) -> None:
    root.check()
    root.check(create=True)


def test_a_missing_bucket_is_made_when_asked(running: Running, lacks: Lacks) -> None:
    environment = wrong(running, "bucket")
    (name,) = [
        name for name, value in environment.items() if running.environment.get(name) not in (None, value)
    ]
    # Rigs may share a server, on which a name is somebody's for good.
    folder, slash, bucket = environment[name].rpartition("/")  # a bucket may be a folder, with its path
    environment = {**environment, name: f"{folder}{slash}made{token_hex(3)}{bucket}"}
    with opened(environment) as storage:
        with pytest.raises(BucketNotFound):
            storage.check()
        try:
            storage.check(create=True)
        except NotImplementedError:
            with lacks("creating the bucket"):
                storage.backend.create_bucket()
            return
        storage.check()
        storage.backend.create_bucket()
        storage.save("a", b"x")
        assert storage.load("a") == b"x"
        assert storage.backend.facts().public is not True


def test_what_doctor_asks_is_answered(root: Storage) -> None:
    facts = root.backend.facts()
    assert facts.public is not True
    assert all(isinstance(reason, str) and reason for reason in facts.unreadable.values())


@pytest.mark.parametrize("dropped", ["bucket", "everything"])
def test_missing_settings_are_named(running: Running, dropped: str) -> None:
    """An environment without them says which variable to set, before anything is sent."""
    kept = {"STORAGE_TYPE": running.environment["STORAGE_TYPE"]}
    if dropped == "bucket":
        bucket = [name for name in running.environment if "BUCKET" in name or "CONTAINER" in name]
        kept = {name: value for name, value in running.environment.items() if name not in bucket}
        if not bucket:
            pytest.skip(f"not applicable: {kept['STORAGE_TYPE']} has no bucket")
    if kept["STORAGE_TYPE"] in {"local", "opendal"}:
        pytest.skip(f"not applicable: {kept['STORAGE_TYPE']} has a default for everything, as in Dify")
    with pytest.raises(InvalidInput) as caught:
        opened(kept, OPTIONS)
    assert any(name in str(caught.value) for name in running.environment if name != "STORAGE_TYPE")
