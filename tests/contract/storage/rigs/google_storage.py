"""Google Cloud Storage: fake-gcs-server, behind a gate that checks tokens and signed URLs as Google does."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from rig import Proof, Rig, Running
from servers import fake_gcs

from doubles.google_gate import GoogleGate

BUCKET = "berth-contract"
MERGES = "fake-gcs-server merges the attributes of a rewrite with the source's, where Google replaces them"
CLASSES = "fake-gcs-server makes every composed object STANDARD"
EMAIL = "berth@test-project.iam.gserviceaccount.com"
STALE = "stale@test-project.iam.gserviceaccount.com"


def encoded(account: dict[str, str]) -> str:
    """A key file as Dify takes it."""
    return base64.b64encode(json.dumps(account).encode()).decode()


def create_bucket(url: str, bucket: str = BUCKET) -> None:
    """By the vendor's own library, so that a rig does not rest on what it is to prove."""
    client = storage.Client(
        project="test-project", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
    )
    client.create_bucket(bucket)


@contextmanager
def start(folder: Path) -> Iterator[Running]:
    with fake_gcs.started(folder) as server:
        create_bucket(server.url)
        gate = GoogleGate(server.host, server.port, stale={STALE})
        with gate.serve() as front:
            account = gate.account_json(EMAIL)
            environment = {
                "STORAGE_TYPE": "google-storage",
                "GOOGLE_STORAGE_BUCKET_NAME": BUCKET,
                "GOOGLE_STORAGE_SERVICE_ACCOUNT_JSON_BASE64": encoded(account),
                "GOOGLE_STORAGE_ENDPOINT": front.url,
            }
            key = "GOOGLE_STORAGE_SERVICE_ACCOUNT_JSON_BASE64"
            yield Running(
                environment,
                front.address,
                lambda address: {
                    **environment,
                    "GOOGLE_STORAGE_ENDPOINT": f"http://{address[0]}:{address[1]}",
                },
                {
                    "secret": {
                        **environment,
                        key: encoded(gate.account_json(EMAIL, key_from="somebody@else")),
                    },
                    "bucket": {**environment, "GOOGLE_STORAGE_BUCKET_NAME": "no-such-bucket"},
                    "token": {**environment, key: encoded(gate.account_json(STALE))},
                },
            )


RIGS = (
    Rig(
        "google-storage@fake-gcs",
        "google-storage",
        Proof.EMULATOR,
        start,
        fake_gcs.missing,
        exceptions={
            "test_a_folder_shows_one_level[1]": "fake-gcs-server gives all folders with every page",
            "test_a_copy_with_other_attributes": MERGES,
            "test_a_copy_onto_itself_changes_attributes": MERGES,
            "test_an_object_is_in_the_class_that_was_asked[infrequent]": CLASSES,
            "test_an_object_is_in_the_class_that_was_asked[cold]": CLASSES,
        },
    ),
)
