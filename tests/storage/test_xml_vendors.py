"""What OSS, COS and OBS do that other stores do not, against the doubles of their protocols."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import pytest

from cloudberth import storage as storages
from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    CorruptData,
    ExpiredCredentials,
    InvalidInput,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    Unavailable,
    Unsupported,
    WrongRegion,
)
from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import MIB, Condition, Span
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from doubles.aliyun_oss import OssDouble
from doubles.huawei_obs import ObsDouble
from doubles.s3_dialect import XmlDouble
from doubles.server import HttpServer, Request, Response
from doubles.store import User
from doubles.tencent_cos import CosDouble

ONCE = Options(retries=0, deadline=20.0, part_size=5 * MIB)
OWNER = User("AKexample", "secret-of-the-owner")
STRANGER = User("AKstranger", "secret-of-a-stranger", owner="owner-2")
TEMPORARY = User("AKtemporary", "secret-of-temporary-keys", token="token/+=", expires=4e9)
VARIABLES: Mapping[str, dict[str, str]] = {
    "aliyun-oss": {
        "key": "ALIYUN_OSS_ACCESS_KEY", "secret": "ALIYUN_OSS_SECRET_KEY", "bucket": "ALIYUN_OSS_BUCKET_NAME",
        "token": "ALIBABA_CLOUD_SECURITY_TOKEN", "proxy": "ALIYUN_OSS_PROXY",
    },
    "tencent-cos": {
        "key": "TENCENT_COS_SECRET_ID", "secret": "TENCENT_COS_SECRET_KEY",
        "bucket": "TENCENT_COS_BUCKET_NAME", "token": "TENCENTCLOUD_SESSIONTOKEN",
        "proxy": "TENCENT_COS_PROXY",
    },
    "huawei-obs": {
        "key": "HUAWEI_OBS_ACCESS_KEY", "secret": "HUAWEI_OBS_SECRET_KEY", "bucket": "HUAWEI_OBS_BUCKET_NAME",
        "token": "OBS_SECURITY_TOKEN", "proxy": "HUAWEI_OBS_PROXY",
    },
}  # fmt: skip
PLACES: Mapping[str, dict[str, str]] = {
    "aliyun-oss": {"ALIYUN_OSS_ENDPOINT": "http://oss-cn-hangzhou.aliyuncs.com"},
    "tencent-cos": {"TENCENT_COS_REGION": "ap-guangzhou", "TENCENT_COS_SCHEME": "http"},
    "huawei-obs": {"HUAWEI_OBS_SERVER": "http://obs.cn-north-4.myhuaweicloud.com"},
}
REGIONS = {"aliyun-oss": "cn-hangzhou", "tencent-cos": "ap-guangzhou", "huawei-obs": "cn-north-4"}
DOUBLES: Mapping[str, Callable[..., XmlDouble]] = {
    "aliyun-oss": OssDouble,
    "tencent-cos": CosDouble,
    "huawei-obs": ObsDouble,
}


@dataclass
class Vendor:
    """A vendor's double that is up."""

    id: str
    double: XmlDouble
    server: HttpServer

    @property
    def prefix(self) -> str:
        return self.double.prefix

    def environment(self, bucket: str = "docs-125", user: User = OWNER, **more: str) -> dict[str, str]:
        names = VARIABLES[self.id]
        values = {
            names["key"]: user.access_key, names["secret"]: user.secret_key, names["bucket"]: bucket,
            names["proxy"]: self.server.url,
        }  # fmt: skip
        token = {names["token"]: user.token} if user.token else {}
        return {"STORAGE_TYPE": self.id, **PLACES[self.id], **values, **token, **more}

    def open(self, bucket: str = "docs-125", user: User = OWNER, **more: str) -> Storage:
        return storages.open(self.environment(bucket, user, **more), ONCE)


@pytest.fixture(params=sorted(DOUBLES))
def vendor(request: pytest.FixtureRequest) -> Iterator[Vendor]:
    double = DOUBLES[request.param](region=REGIONS[request.param])
    for user in (OWNER, STRANGER, TEMPORARY):
        double.store.add_user(user)
    double.store.create_bucket("docs-125", double.region, OWNER.owner)
    with double.serve() as server:
        yield Vendor(request.param, double, server)


@pytest.fixture
def storage(vendor: Vendor) -> Iterator[Storage]:
    with vendor.open() as opened:
        yield opened


def error_body(code: str, message: str = "it did not work") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


# -- what goes out -------------------------------------------------------------------------------------------


def test_what_goes_up_carries_its_md5_and_is_never_chunked(vendor: Vendor, storage: Storage) -> None:
    storage.save("a", b"content")
    storage.save("b", b"x" * (11 * MIB))
    storage.delete(["a", "b"])
    bodies = [request for request in vendor.server.requests if request.method in {"PUT", "POST"}]
    with_content = [request for request in bodies if int(request.header("content-length"))]
    assert len(with_content) == 6  # the object, three parts, their list, the batch of deletions
    for request in with_content:
        if "uploadId" not in request.query or request.method == "PUT":
            assert request.header("content-md5"), request
    for request in vendor.server.requests:
        assert "transfer-encoding" not in request.headers
        assert "aws-chunked" not in request.header("content-encoding")
        assert not [name for name in request.headers if name.startswith("x-amz-")]


def test_a_body_that_changed_on_its_way_is_refused(vendor: Vendor, storage: Storage) -> None:
    """By the vendor, because of the MD5 that was sent along."""
    whole = vendor.double.handle
    vendor.server.handler = lambda request: whole(replace(request, body=request.body.replace(b"o", b"0")))
    with pytest.raises(CorruptData) as caught:
        storage.save("a", b"content")
    assert caught.value.retryable
    vendor.server.handler = whole
    assert not storage.exists("a")


# -- answers that say 200 and mean no ------------------------------------------------------------------------


def test_a_copy_that_failed_behind_a_200(vendor: Vendor, storage: Storage) -> None:
    storage.save("a", b"x")
    vendor.server.fault = lambda request: (
        Response(200, {}, error_body("InternalError"))
        if f"{vendor.prefix}copy-source" in request.headers
        else None
    )
    with pytest.raises(Unavailable, match="InternalError"):
        storage.backend.copy("a", "b")


def test_a_multipart_upload_that_failed_behind_a_200(vendor: Vendor, storage: Storage) -> None:
    def fault(request: Request) -> Response | None:
        last = request.method == "POST" and "uploadId" in request.query
        return Response(200, {}, error_body("InternalError")) if last else None

    vendor.server.fault = fault
    with pytest.raises(Unavailable, match="InternalError"):
        storage.save("a", b"x" * (11 * MIB))
    vendor.server.fault = None
    assert not storage.exists("a")


def test_keys_of_a_batch_that_were_not_deleted(vendor: Vendor, storage: Storage) -> None:
    result = (
        b"<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code>"
        b"<Message>no</Message></Error></DeleteResult>"
    )
    vendor.server.fault = lambda request: Response(200, {}, result) if request.method == "POST" else None
    (failure,) = storage.backend.delete(["a", "b"])
    assert failure.key == "b"
    assert isinstance(failure.error, PermissionDenied)


def test_an_upload_whose_answer_got_lost_is_found_done(vendor: Vendor, storage: Storage) -> None:
    backend = storage.backend
    upload = backend.start_upload("a")
    parts = [backend.put_part("a", upload, number, BytesBody(b"x" * MIB)) for number in (1, 2)]
    backend.finish_upload("a", upload, parts)
    assert backend.finish_upload("a", upload, parts).etag == storage.head("a").etag
    storage.save("a", b"another")
    with pytest.raises(NotFound):
        backend.finish_upload("a", upload, parts)


@pytest.mark.parametrize("code", ["SlowDown", "RequestLimitExceeded", "QpsLimitExceeded"])
def test_throttling(vendor: Vendor, storage: Storage, code: str) -> None:
    vendor.server.fault = lambda request: Response(503, {"retry-after": "7"}, error_body(code))
    with pytest.raises(Throttled) as caught:
        storage.load("a")
    assert (caught.value.retry_after, caught.value.code) == (7.0, code)


# -- who asks ------------------------------------------------------------------------------------------------


def test_temporary_keys(vendor: Vendor, storage: Storage) -> None:
    with vendor.open(user=TEMPORARY) as temporary:
        temporary.save("a b", b"content")
        assert storage.load("a b") == b"content"
        url = temporary.presign("a b").url
    host, _, target = url.removeprefix("http://").partition("/")
    with closing(http.client.HTTPConnection(*vendor.server.address)) as connection:
        connection.request("GET", f"/{target}", headers={"Host": host})
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"content")


def test_a_token_that_is_over(vendor: Vendor) -> None:
    vendor.double.store.add_user(replace(TEMPORARY, expires=1.0))
    with vendor.open(user=TEMPORARY) as storage, pytest.raises(ExpiredCredentials):
        storage.head("a")


def test_a_clock_that_is_wrong(vendor: Vendor, storage: Storage) -> None:
    now = vendor.double.store.clock
    vendor.double.store.clock = lambda: now() + 3600
    with pytest.raises(ExpiredCredentials) as caught:
        storage.load("a")
    assert "clock" in caught.value.hint
    assert not caught.value.retryable


def test_a_stranger(vendor: Vendor, storage: Storage) -> None:
    storage.save("a", b"x")
    with vendor.open(user=STRANGER) as strange:
        for attempt in (
            lambda: strange.load("a"),
            lambda: strange.save("a", b"y"),
            lambda: strange.head("a"),
        ):
            with pytest.raises(PermissionDenied):
                attempt()
        assert "location" in strange.backend.facts().unreadable
        with pytest.raises(PermissionDenied, match="belongs to another account"):
            strange.backend.create_bucket()
    assert storage.load("a") == b"x"


def test_version_1_of_a_signature_is_not_taken_by_oss() -> None:
    with (
        OssDouble(region="cn-hangzhou").serve() as server,
        closing(http.client.HTTPConnection(*server.address)) as it,
    ):
        it.request("GET", "/docs/a", headers={"Authorization": "OSS AK:c2ln", "Date": "now"})
        response = it.getresponse()
        assert response.status == 400
        assert b"version 4" in response.read()


# -- conditions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_no_condition_where_versioning_breaks_it(vendor: Vendor, storage: Storage, status: str) -> None:
    text = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>"
    vendor.double.store.buckets["docs-125"].settings["versioning"] = text
    with pytest.raises(Unsupported, match="versioning"):
        storage.save("a", b"x", if_absent=True)
    assert not storage.exists("a")
    storage.save("a", b"x")


def test_keys_that_may_not_read_versioning(vendor: Vendor, storage: Storage) -> None:
    vendor.server.fault = lambda request: (
        Response(403, {}, error_body("AccessDenied")) if "versioning" in request.query else None
    )
    with pytest.raises(PermissionDenied) as caught:
        storage.save("a", b"x", if_absent=True)
    assert "GetBucketVersioning" in caught.value.hint
    storage.save("a", b"x")


def test_versioning_is_asked_for_once(vendor: Vendor, storage: Storage) -> None:
    for name in "abc":
        storage.save(name, b"x", if_absent=True)
    assert len([request for request in vendor.server.requests if "versioning" in request.query]) == 1


def test_a_condition_and_an_answer_that_got_lost(vendor: Vendor, storage: Storage) -> None:
    """What a second try finds is its own object; the same parts of another upload are not."""
    backend, absent = storage.backend, Condition(absent=True)
    upload, other = backend.start_upload("a"), backend.start_upload("a")
    parts = [backend.put_part("a", upload, 1, BytesBody(b"x" * MIB))]
    same = [backend.put_part("a", other, 1, BytesBody(b"x" * MIB))]
    backend.finish_upload("a", upload, parts, condition=absent)
    assert backend.finish_upload("a", upload, parts, condition=absent).etag == storage.head("a").etag
    with pytest.raises(PreconditionFailed):
        backend.finish_upload("a", other, same, condition=absent)


@pytest.mark.parametrize("vendor", ["huawei-obs"], indirect=True)
def test_obs_is_looked_at_before_parts_are_put_together(vendor: Vendor, storage: Storage) -> None:
    """Also where the server would overwrite all the same."""
    whole = vendor.double.handle
    vendor.server.handler = lambda request: whole(
        replace(
            request, headers={name: request.headers[name] for name in request.headers if "forbid" not in name}
        )
    )
    storage.save("a", b"first")
    upload = storage.backend.start_upload("a")
    parts = [storage.backend.put_part("a", upload, 1, BytesBody(b"y" * MIB))]
    with pytest.raises(PreconditionFailed):
        storage.backend.finish_upload("a", upload, parts, condition=Condition(absent=True))
    assert storage.load("a") == b"first"


# -- buckets and regions -------------------------------------------------------------------------------------


def test_facts(vendor: Vendor, storage: Storage) -> None:
    facts = storage.backend.facts()
    assert (facts.region, facts.public, facts.versioning) == (REGIONS[vendor.id], False, False)
    assert (facts.encryption, facts.lifecycle, facts.cors) == ("none", "0 rules", "0 rules")
    assert facts.unreadable == {}
    rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>KMS</SSEAlgorithm>"
    rule += "</ApplyServerSideEncryptionByDefault></Rule>"
    two = "<Rule><ID>a</ID></Rule><Rule><ID>b</ID></Rule>"
    vendor.double.store.buckets["docs-125"].settings |= {
        "acl": "public-read",
        "versioning": "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        "encryption": f"<ServerSideEncryptionConfiguration>{rule}</ServerSideEncryptionConfiguration>",
        "lifecycle": f"<LifecycleConfiguration>{two}</LifecycleConfiguration>",
        "cors": "<CORSConfiguration><CORSRule></CORSRule></CORSConfiguration>",
    }
    facts = storage.backend.facts()
    assert (facts.public, facts.versioning) == (True, True)
    assert (facts.encryption, facts.lifecycle, facts.cors) == ("KMS", "2 rules", "1 rule")


def test_a_bucket_is_made_private_and_in_its_region(vendor: Vendor) -> None:
    with vendor.open("made-125") as storage:
        storage.check(create=True)
        storage.backend.create_bucket()
    made = vendor.double.store.buckets["made-125"]
    assert (made.region, made.settings["acl"]) == (REGIONS[vendor.id], "private")


def test_copies_between_buckets(vendor: Vendor, storage: Storage) -> None:
    vendor.double.store.create_bucket("other-125", vendor.double.region, OWNER.owner)
    with vendor.open("other-125") as other:
        other.save("from ü+", b"x" * (2 * MIB), content_type="text/x-a", metadata={"a": "b"})
        storage.backend.copy_from(other.backend, "from ü+", "to")
        attributes = storage.head("to").attributes
        assert (attributes.content_type, attributes.metadata) == ("text/x-a", {"a": "b"})
        upload = storage.backend.start_upload("parts")
        spans = (Span(0, MIB), Span(MIB, MIB))
        parts = [
            storage.backend.copy_part("parts", upload, number, "from ü+", span, other.backend)
            for number, span in enumerate(spans, 1)
        ]
        storage.backend.finish_upload("parts", upload, parts)
        assert storage.head("parts").size == 2 * MIB
    with vendor.open("docs-125") as again, pytest.raises(Unsupported):
        inner = again.backend.inner  # type: ignore[attr-defined]
        inner.service = inner.service.with_host("another.host")
        storage.backend.copy_from(inner, "a", "b")


# COS calls a bucket elsewhere missing: see below.
@pytest.mark.parametrize("vendor", ["aliyun-oss", "huawei-obs"], indirect=True)
def test_a_bucket_elsewhere_is_named_with_its_address(vendor: Vendor) -> None:
    region, address = {
        "aliyun-oss": ("cn-beijing", "oss-cn-beijing.aliyuncs.com: set ALIYUN_OSS_ENDPOINT"),
        "huawei-obs": ("cn-south-1", "obs.cn-south-1.myhuaweicloud.com: set HUAWEI_OBS_SERVER"),
    }[vendor.id]
    vendor.double.store.create_bucket("far-125", region, OWNER.owner)
    with vendor.open("far-125") as storage:
        with pytest.raises(WrongRegion) as caught:
            storage.check()
        assert address in caught.value.hint
        with pytest.raises(WrongRegion):
            storage.head("a")


@pytest.fixture
def cos() -> Iterator[Vendor]:
    double = CosDouble(region="ap-guangzhou")
    double.store.add_user(OWNER)
    double.store.create_bucket("docs-125", "ap-guangzhou", OWNER.owner)
    double.store.create_bucket("far-125", "ap-beijing", OWNER.owner)
    with double.serve() as server:
        yield Vendor("tencent-cos", double, server)


def test_cos_is_asked_where_a_missing_bucket_is(cos: Vendor) -> None:
    with cos.open("far-125") as storage, pytest.raises(WrongRegion) as caught:
        storage.check()
    assert "ap-beijing: set TENCENT_COS_REGION" in caught.value.hint
    with cos.open("none-125") as storage, pytest.raises(BucketNotFound):
        storage.check()


def test_cos_without_the_right_to_list_buckets_is_missing(cos: Vendor) -> None:
    cos.server.fault = lambda request: (
        Response(403, {}, error_body("AccessDenied")) if request.host.startswith("service.") else None
    )
    with cos.open("far-125") as storage, pytest.raises(BucketNotFound):
        storage.check()


def test_a_custom_domain_of_cos_stands_for_the_bucket(cos: Vendor) -> None:
    assert isinstance(cos.double, CosDouble)
    cos.double.domains["files.example.com"] = "docs-125"
    with cos.open(TENCENT_COS_CUSTOM_DOMAIN="files.example.com") as storage:
        storage.save("a b/ü", b"content")
        storage.copy("a b/ü", "copied")
        assert storage.load("copied") == b"content"
        assert storage.presign("copied").url.startswith("http://files.example.com/copied?")
    assert {request.authority for request in cos.server.requests} == {"files.example.com"}
    with cos.open(TENCENT_COS_CUSTOM_DOMAIN="files.example.com", TENCENT_COS_REGION="") as storage:
        assert storage.capabilities.copy_max == 0
        storage.copy("copied", "again")  # by way of this machine
        assert storage.load("again") == b"content"


def test_a_wrong_signing_region_of_oss() -> None:
    double = OssDouble(region="cn-hangzhou")
    double.store.add_user(OWNER)
    with double.serve() as server:
        wrong = Vendor("aliyun-oss", double, server).open(ALIYUN_OSS_REGION="cn-beijing")
        with wrong, pytest.raises(WrongRegion) as caught:
            wrong.load("a")
    assert "ALIYUN_OSS_REGION is cn-beijing" in caught.value.hint


# -- what is no answer ---------------------------------------------------------------------------------------


def test_keys_that_a_vendor_does_not_take_are_refused_unsent(vendor: Vendor, storage: Storage) -> None:
    refused = {
        "aliyun-oss": ["/a", "\\a", "k" * 1024],
        "tencent-cos": ["/a", "..", "a/..", "k" * 851],
        "huawei-obs": [],
    }
    for key in refused[vendor.id]:
        for attempt in (
            lambda key=key: storage.save(key, b"x"), lambda key=key: storage.load(key),
            lambda key=key: storage.delete(key), lambda key=key: storage.delete([key, "b"]),
            lambda key=key: storage.presign(key),
        ):  # fmt: skip
            with pytest.raises(InvalidInput):
                attempt()
    assert not vendor.server.requests


def test_an_error_page_that_is_no_xml(vendor: Vendor, storage: Storage) -> None:
    vendor.server.fault = lambda request: Response(502, {}, b"<html>Bad Gateway")
    with pytest.raises(BackendError) as caught:
        storage.load("a")
    assert isinstance(caught.value, Unavailable)
