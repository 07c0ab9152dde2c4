"""The type ``oci-storage``: doubles of Oracle's S3 endpoint, which boto3 is held to as well, and of its own
interface, which Oracle's SDK is held to as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from rig import Proof, Rig, Running

from doubles.oci import OciDouble
from doubles.store import User

BUCKET = "berth-bucket"
REGION = "us-ashburn-1"


@contextmanager
def start(folder: Path) -> Iterator[Running]:
    del folder  # it is all in memory
    double = OciDouble(region=REGION)
    double.store.add_user(User("ak-oci", "sk-oci"))
    double.store.create_bucket(BUCKET, REGION, "owner-1")
    with double.serve() as server:
        environment = {
            "STORAGE_TYPE": "oci-storage",
            "OCI_BUCKET_NAME": BUCKET,
            "OCI_ACCESS_KEY": "ak-oci",
            "OCI_SECRET_KEY": "sk-oci",
            "OCI_REGION": REGION,
            "OCI_ENDPOINT": server.url,
        }
        yield Running(
            environment,
            server.address,
            lambda address: {**environment, "OCI_ENDPOINT": f"http://{address[0]}:{address[1]}"},
            {
                "secret": {**environment, "OCI_SECRET_KEY": "wrong"},
                "bucket": {**environment, "OCI_BUCKET_NAME": "no-such-bucket"},
            },
        )


def without_cryptography() -> str:
    """The double verifies RSA signatures with it."""
    return "" if find_spec("cryptography") else "cryptography is not installed"


@contextmanager
def start_native(folder: Path) -> Iterator[Running]:
    from doubles.oci_keys import write_profile
    from doubles.oci_native import OciNativeDouble

    double = OciNativeDouble(region=REGION)
    double.create_bucket(BUCKET)
    name, public = write_profile(folder, "DEFAULT")
    double.keys[name] = public
    write_profile(folder, "STRANGER")
    with double.serve() as server:
        environment = {
            "STORAGE_TYPE": "oci-storage",
            "OCI_AUTH": "api_key",
            "OCI_BUCKET_NAME": BUCKET,
            "OCI_REGION": REGION,
            "OCI_ENDPOINT": server.url,
            "OCI_NAMESPACE": double.namespace,
            "OCI_CONFIG_FILE": str(folder / "config"),
            "OCI_COMPARTMENT_ID": "ocid1.compartment.oc1..double",
        }
        yield Running(
            environment,
            server.address,
            lambda address: {**environment, "OCI_ENDPOINT": f"http://{address[0]}:{address[1]}"},
            {
                "secret": {**environment, "OCI_CONFIG_PROFILE": "STRANGER"},
                "bucket": {**environment, "OCI_BUCKET_NAME": "no-such-bucket"},
            },
        )


RIGS = (
    Rig("oci-storage@double", "oci-storage", Proof.DOUBLE_WITH_SDK, start),
    Rig(
        "oci-storage@native-double",
        "oci-storage",
        Proof.DOUBLE_WITH_SDK,
        start_native,
        missing=without_cryptography,
    ),
)
