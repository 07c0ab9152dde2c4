"""doctor finds nothing broken at a bucket that works, on every type, and leaves nothing behind."""

from __future__ import annotations

from rig import Rig, Running
from storage_cases import keys_of

from cloudberth.storage.doctor import Verdict, collect, judge
from cloudberth.storage.storage import Storage

# ministack answers whoever asks, with credentials or without; WebDAV keeps no metadata.
KNOWN = {"s3@ministack": {"public"}, "opendal@webdav": {"metadata"}}
# What a bucket for tests does not have switched on, and a machine under load is.
ADVICE = {"versioning", "lifecycle", "encryption", "latency", "throughput", "uploads"}
SECRET = ("SECRET", "KEY", "PASSWORD", "TOKEN", "JSON")


def test_doctor_of_a_bucket_that_works(rig: Rig, storage: Storage) -> None:
    checks = {check.id: check for check in judge(collect(storage))}
    wrong = {
        check.id
        for check in checks.values()
        if check.verdict in {Verdict.WARN, Verdict.FAIL} and check.id not in ADVICE
    }
    assert wrong <= KNOWN.get(rig.id, set()), {name: checks[name] for name in wrong}
    needed = {"list", "put", "head", "get", "range", "overwrite", "delete"}
    assert {name for name in needed if checks[name].verdict is not Verdict.OK} == set()
    assert keys_of(storage.list()) == []


def test_doctor_says_which_credentials_and_shows_none(rig: Rig, running: Running, storage: Storage) -> None:
    facts = collect(storage, read_only=True)
    assert facts.credentials or rig.type == "local"
    said = repr([(check.said, check.remedy) for check in judge(facts)])
    for name, value in running.environment.items():
        if any(word in name for word in SECRET) and "ACCESS_KEY" not in name.removesuffix("_SECRET_KEY"):
            assert len(value) < 8 or value not in said, name
