"""Supabase: against a double of its REST interface that checks the key's signature and expiry.

sdk/test_sdk_supabase.py holds the same double to Supabase's own SDK. The optional S3 interface is the class
`S3`, which Ceph proves.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import Proof, Rig, Running

from doubles.supabase import SupabaseDouble, token

BUCKET = "berth-contract"
UNVERIFIED = "Supabase verifies no checksum of what it is sent"
SECRET = "super-secret-jwt-token-of-no-project-at-all"


def api_key(secret: str = SECRET, expires: float = 0.0) -> str:
    """What a project gives its backends: a JWT for the role service_role."""
    return token({"role": "service_role", "iss": "supabase", "exp": expires or time.time() + 3600}, secret)


def environment_of(url: str) -> dict[str, str]:
    """Dify's variables."""
    return {
        "STORAGE_TYPE": "supabase",
        "SUPABASE_URL": url,
        "SUPABASE_API_KEY": api_key(),
        "SUPABASE_BUCKET_NAME": BUCKET,
    }


def double(**more: bool) -> SupabaseDouble:
    """A project with one bucket."""
    made = SupabaseDouble(SECRET, **more)
    made.create_bucket(BUCKET)
    return made


@contextmanager
def on_double(folder: Path) -> Iterator[Running]:
    with double().serve() as server:
        environment = environment_of(server.url)
        yield Running(
            environment,
            server.address,
            through=lambda proxy: {**environment, "SUPABASE_URL": f"http://{proxy[0]}:{proxy[1]}"},
            wrong={
                "secret": {**environment, "SUPABASE_API_KEY": api_key("another-secret-that-signs-nothing")},
                "bucket": {**environment, "SUPABASE_BUCKET_NAME": "berth-nowhere"},
                "token": {**environment, "SUPABASE_API_KEY": api_key(expires=time.time() - 60)},
            },
        )


RIGS = (
    Rig(
        "supabase@double",
        "supabase",
        Proof.DOUBLE_WITH_SDK,
        on_double,
        exceptions={
            "test_a_flipped_bit_is_noticed_in_writing": UNVERIFIED,
            "test_a_flipped_bit_of_a_part_is_noticed": UNVERIFIED,
            "test_signing_makes_no_request": "the server signs, with a secret of its own",
        },
    ),
)
