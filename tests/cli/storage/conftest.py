"""A store with signatures on this machine, and the two ways to name it: a `.env` file and a URL."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket_on_loopback import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Bucket

from cloudberth import storage
from doubles.oci import OciDouble
from doubles.store import User

# The facts of a deployment that is up, which the tests of apps keep.
sys.path.insert(0, str(Path(__file__).parents[2] / "apps"))


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    double = OciDouble(region=REGION)
    double.store.add_user(User(ACCESS_KEY, SECRET_KEY))
    double.store.create_bucket(BUCKET, REGION, "owner-1")
    with double.serve() as server:
        variables = {
            "STORAGE_TYPE": "oci-storage",
            "OCI_BUCKET_NAME": BUCKET,
            "OCI_ACCESS_KEY": ACCESS_KEY,
            "OCI_SECRET_KEY": SECRET_KEY,
            "OCI_REGION": REGION,
            "OCI_ENDPOINT": server.url,
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        file = tmp_path / "store.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        with storage.open(variables) as store:
            yield Bucket(str(file), f"oci://{BUCKET}", variables, store)
