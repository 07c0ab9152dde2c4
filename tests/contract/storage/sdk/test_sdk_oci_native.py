"""Oracle's own SDK and our client against the same double of its interface, which verifies what both sign."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oci
import pytest
from oci.object_storage import ObjectStorageClient
from oci.object_storage import models as oci_models
from storage_cases import content, opened

from cloudberth.errors import InvalidInput, PermissionDenied, PreconditionFailed, Unavailable, Unsupported
from cloudberth.storage.contract import Attributes
from cloudberth.storage.storage import Storage
from doubles.oci_keys import InstanceServices, write_profile
from doubles.oci_native import OciNativeDouble
from doubles.odd_keys import ODD_KEYS
from doubles.server import HttpServer

BUCKET = "sdk-bucket"
NAMESPACE = "tenancy1"
PLACE = (NAMESPACE, BUCKET)
# Its HTTP library takes dot segments out of paths.
KEYS = [key for key in ODD_KEYS if not {".", ".."} & set(key.split("/"))]


@pytest.fixture
def double() -> OciNativeDouble:
    found = OciNativeDouble(NAMESPACE)
    found.create_bucket(BUCKET)
    return found


@pytest.fixture
def server(double: OciNativeDouble) -> Iterator[HttpServer]:
    with double.serve() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, double: OciNativeDouble) -> Path:
    name, public = write_profile(tmp_path, "DEFAULT")
    double.keys[name] = public
    return tmp_path


def client_of(server: HttpServer, folder: Path, profile: str = "DEFAULT") -> ObjectStorageClient:
    configuration = oci.config.from_file(str(folder / "config"), profile)
    return ObjectStorageClient(
        configuration, service_endpoint=server.url, retry_strategy=oci.retry.NoneRetryStrategy()
    )


@pytest.fixture
def sdk(server: HttpServer, folder: Path) -> ObjectStorageClient:
    return client_of(server, folder)


def ours_of(server: HttpServer, folder: Path, **changed: str) -> Storage:
    environment = {
        "STORAGE_TYPE": "oci-storage",
        "OCI_AUTH": "api_key",
        "OCI_BUCKET_NAME": BUCKET,
        "OCI_REGION": "eu-frankfurt-1",
        "OCI_ENDPOINT": server.url,
        "OCI_CONFIG_FILE": str(folder / "config"),
    }
    return opened({**environment, **changed})


@pytest.fixture
def ours(server: HttpServer, folder: Path) -> Iterator[Storage]:
    with ours_of(server, folder) as storage:
        yield storage


def code_of(call: Any) -> str:
    """The word of the refusal of a call of the SDK."""
    with pytest.raises(oci.exceptions.ServiceError) as caught:
        call()
    return str(caught.value.code)


def test_the_sdk_puts_gets_heads_and_deletes(sdk: ObjectStorageClient) -> None:
    assert sdk.get_namespace().data == NAMESPACE
    sdk.put_object(*PLACE, "a", b"12345", content_type="text/plain", opc_meta={"colour": "red"})
    assert sdk.get_object(*PLACE, "a").data.content == b"12345"
    assert sdk.get_object(*PLACE, "a", range="bytes=1-3").data.content == b"234"
    head = sdk.head_object(*PLACE, "a").headers
    assert (head["content-type"], head["opc-meta-colour"], head["content-length"]) == (
        "text/plain",
        "red",
        "5",
    )
    sdk.delete_object(*PLACE, "a")
    assert code_of(lambda: sdk.get_object(*PLACE, "a")) == "ObjectNotFound"
    assert code_of(lambda: sdk.get_object(NAMESPACE, "no-such-bucket", "a")) == "BucketNotFound"


def test_the_sdk_lists_more_than_one_page(sdk: ObjectStorageClient) -> None:
    for number in range(20):
        sdk.put_object(*PLACE, f"folder/{number:02}", b"x")
        sdk.put_object(*PLACE, f"folder/deep-{number}/x", b"x")
    found: list[str] = []
    start: str | None = ""
    while start is not None:
        page = sdk.list_objects(*PLACE, prefix="folder/", delimiter="/", limit=7, start=start).data
        found += [entry.name for entry in page.objects] + page.prefixes
        start = page.next_start_with
    expected = {f"folder/{number:02}" for number in range(20)} | {f"folder/deep-{n}/" for n in range(20)}
    assert sorted(found) == sorted(expected)


def test_the_sdk_uploads_in_parts_and_deletes_many(sdk: ObjectStorageClient) -> None:
    details = oci_models.CreateMultipartUploadDetails(object="large", content_type="application/x-large")
    upload = sdk.create_multipart_upload(*PLACE, details).data.upload_id
    pieces = [content(1_100_000, 1), content(77, 2)]
    parts = [
        oci_models.CommitMultipartUploadPartDetails(
            part_num=n, etag=sdk.upload_part(*PLACE, "large", upload, n, piece).headers["etag"]
        )
        for n, piece in enumerate(pieces, 1)
    ]
    assert [entry.object for entry in sdk.list_multipart_uploads(*PLACE).data] == ["large"]
    assert [p.size for p in sdk.list_multipart_upload_parts(*PLACE, "large", upload).data] == [1_100_000, 77]
    commit = oci_models.CommitMultipartUploadDetails(parts_to_commit=parts)
    sdk.commit_multipart_upload(*PLACE, "large", upload, commit)
    assert sdk.get_object(*PLACE, "large").data.content == b"".join(pieces)
    objects = [oci_models.BatchDeleteObjectIdentifier(object_name=name) for name in ("large", "missing")]
    sdk.batch_delete_objects(*PLACE, oci_models.BatchDeleteObjectsDetails(objects=objects))
    assert sdk.list_objects(*PLACE).data.objects == []


def test_wrong_and_old_signatures_are_refused(
    server: HttpServer, folder: Path, double: OciNativeDouble
) -> None:
    write_profile(folder, "STRANGER")
    stranger = client_of(server, folder, "STRANGER")
    assert code_of(lambda: stranger.get_object(*PLACE, "a")) == "NotAuthenticated"
    with ours_of(server, folder, OCI_CONFIG_PROFILE="STRANGER") as ours, pytest.raises(PermissionDenied):
        ours.load("a")
    double.store.clock = lambda: time.time() + 1000
    assert code_of(lambda: client_of(server, folder).get_object(*PLACE, "a")) == "NotAuthenticated"
    with ours_of(server, folder) as ours, pytest.raises(PermissionDenied):
        ours.load("a")


ATTRIBUTES = Attributes(
    content_type="text/x-odd; charset=utf-8",
    cache_control="max-age=7",
    content_disposition='attachment; filename="a b.txt"',
    content_language="de",
    metadata={"owner": "ann", "colour": "red 100%25"},
    storage_class="InfrequentAccess",
)


@pytest.mark.parametrize("key", KEYS)
def test_what_the_sdk_wrote_we_read(sdk: ObjectStorageClient, ours: Storage, key: str) -> None:
    sdk.put_object(
        *PLACE, key, io.BytesIO(key.encode()),
        content_type=ATTRIBUTES.content_type, cache_control="max-age=7",
        content_disposition=ATTRIBUTES.content_disposition, content_language="de",
        opc_meta=dict(ATTRIBUTES.metadata), storage_tier="InfrequentAccess",
    )  # fmt: skip
    assert ours.load(key) == key.encode()
    assert ours.head(key).attributes == ATTRIBUTES
    assert [info.key for info in ours.list()] == [key]


@pytest.mark.parametrize("key", KEYS)
def test_what_we_wrote_the_sdk_reads(sdk: ObjectStorageClient, ours: Storage, key: str) -> None:
    ours.save(key, key.encode(), ATTRIBUTES)
    answer = sdk.get_object(*PLACE, key)
    assert answer.data.content == key.encode()
    assert answer.headers["content-type"] == ATTRIBUTES.content_type
    assert answer.headers["content-disposition"] == ATTRIBUTES.content_disposition
    assert answer.headers["opc-meta-colour"] == "red 100%25"
    assert answer.headers["storage-tier"] == "InfrequentAccess"
    assert [entry.name for entry in sdk.list_objects(*PLACE).data.objects] == [key]


def test_what_this_interface_has_and_has_not(ours: Storage) -> None:
    ours.save("a", b"one", if_absent=True)
    etag = ours.head("a").etag
    with pytest.raises(PreconditionFailed):
        ours.save("a", b"two", if_absent=True)
    ours.save("a", b"two", if_match=etag)
    with pytest.raises(PreconditionFailed):
        ours.save("a", b"three", if_match=etag)
    with pytest.raises(Unsupported, match="signed URLs"):
        ours.presign("a")
    with pytest.raises(Unsupported, match="only at '/'"):
        ours.backend.list(delimiter="-")


# -- instance principals -------------------------------------------------------------------------------------


@pytest.fixture
def services(double: OciNativeDouble) -> InstanceServices:
    return InstanceServices(double)


@pytest.fixture
def instance(services: InstanceServices) -> Iterator[HttpServer]:
    with HttpServer(services.handle) as running:
        yield running


def as_instance(server: HttpServer, instance: HttpServer, folder: Path) -> Storage:
    return ours_of(
        server, folder, OCI_AUTH="instance_principal", OCI_METADATA_BASE_URL=f"{instance.url}/opc/v2",
        OCI_AUTH_ENDPOINT=instance.url,
    )  # fmt: skip


def test_the_sdk_signs_as_the_instance(
    server: HttpServer, instance: HttpServer, double: OciNativeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the doubles of the metadata and auth services are what Oracle's own chain believes."""
    monkeypatch.setenv("OCI_METADATA_BASE_URL", f"{instance.url}/opc/v2")
    signer = oci.auth.signers.InstancePrincipalsSecurityTokenSigner(
        federation_endpoint=f"{instance.url}/v1/x509"
    )
    assert signer.region == "eu-frankfurt-1"
    sdk = ObjectStorageClient({}, signer=signer, service_endpoint=server.url)
    sdk.put_object(*PLACE, "a", b"by the instance")
    assert double.store.find(double.store.buckets[BUCKET], "a").data == b"by the instance"


def test_we_sign_as_the_instance(
    server: HttpServer, instance: HttpServer, services: InstanceServices, folder: Path
) -> None:
    with as_instance(server, instance, folder) as ours:
        assert not instance.requests, "opening asks nobody"
        ours.save("a", b"by the instance")
        assert ours.load("a") == b"by the instance"
        ours.delete(["a", "b"])
    assert services.given == 1


def test_a_token_is_renewed_before_it_ends(
    server: HttpServer, instance: HttpServer, services: InstanceServices, folder: Path
) -> None:
    services.lifetime = 200.0  # less than the margin: every request asks
    with as_instance(server, instance, folder) as ours:
        ours.save("a", b"x")
        ours.load("a")
        assert services.given >= 2
        services.refuse = True
        assert ours.load("a") == b"x", "the old one still holds"


def test_an_instance_without_rights_says_so(
    server: HttpServer, instance: HttpServer, services: InstanceServices, folder: Path
) -> None:
    services.refuse = True
    with as_instance(server, instance, folder) as ours, pytest.raises(PermissionDenied) as caught:
        ours.load("a")
    assert "no dynamic group" in str(caught.value)
    assert "dynamic group that a policy" in caught.value.hint


def test_elsewhere_there_is_no_metadata_service(server: HttpServer, folder: Path) -> None:
    with HttpServer(lambda request: pytest.fail("not reached")) as gone:
        pass
    with as_instance(server, gone, folder) as ours, pytest.raises(Unavailable, match="metadata service"):
        ours.load("a")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OCI_AUTH": "instance_principal", "OCI_REGION": ""}, "OCI_REGION is not set"),
        ({"OCI_AUTH": "something"}, "OCI_AUTH"),
        ({"OCI_AUTH": ""}, "OCI_ACCESS_KEY is not set"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    server: HttpServer, folder: Path, variables: dict[str, str], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        ours_of(server, folder, **variables)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no tenancy"),
        ("[DEFAULT]\nuser=u\n", "there is no tenancy"),
        ("no file of this kind", "no configuration file"),
        ("[DEFAULT]\ntenancy=t\nuser=u\nfingerprint=f\nkey_file=/no/such/file\n", "/no/such/file"),
        ("[DEFAULT]\ntenancy=t\nuser=u\nfingerprint=f\nkey_file={config}\n", "no private key"),
    ],
)
def test_a_configuration_file_that_cannot_work_is_named(
    server: HttpServer, tmp_path: Path, text: str, said: str
) -> None:
    config = tmp_path / "config"
    config.write_text(text.format(config=config))
    with ours_of(server, tmp_path) as ours, pytest.raises(InvalidInput, match=said) as caught:
        ours.load("a")
    assert str(config) in str(caught.value)
