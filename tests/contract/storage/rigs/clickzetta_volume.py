"""ClickZetta: against a double of its jobs and of the object store behind.

sdk/test_sdk_clickzetta.py holds the same double to the connector, and shows the other kinds of volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import Proof, Rig, Running

from doubles.clickzetta import ClickZettaDouble

USER, PASSWORD, INSTANCE = "dify", "a-password-of-no-account", "berth"
VOLUME = "berth_contract"
UNVERIFIED = "nothing says that the store behind signed URLs verifies a checksum"


def double(**more: bool | float) -> ClickZettaDouble:
    """An instance with an external volume."""
    made = ClickZettaDouble(USER, PASSWORD, INSTANCE, **more)  # type: ignore[arg-type]
    made.create_volume(f"VOLUME {VOLUME}")
    return made


def environment_of(url: str) -> dict[str, str]:
    """Dify's variables."""
    return {
        "STORAGE_TYPE": "clickzetta-volume",
        "CLICKZETTA_VOLUME_USERNAME": USER,
        "CLICKZETTA_VOLUME_PASSWORD": PASSWORD,
        "CLICKZETTA_VOLUME_INSTANCE": INSTANCE,
        "CLICKZETTA_VOLUME_SERVICE": url,
        "CLICKZETTA_VOLUME_TYPE": "external",
        "CLICKZETTA_VOLUME_NAME": VOLUME,
    }


@contextmanager
def on_double(folder: Path) -> Iterator[Running]:
    with double().serve() as server:
        environment = environment_of(server.url)
        yield Running(
            environment,
            server.address,
            through=lambda proxy: {
                **environment,
                "CLICKZETTA_VOLUME_SERVICE": f"http://{proxy[0]}:{proxy[1]}",
            },
            wrong={
                "secret": {**environment, "CLICKZETTA_VOLUME_PASSWORD": "another-password-of-no-account"},
                "bucket": {**environment, "CLICKZETTA_VOLUME_NAME": "berth_nowhere"},
            },
        )


RIGS = (
    Rig(
        "clickzetta-volume@double",
        "clickzetta-volume",
        Proof.DOUBLE_WITH_SDK,
        on_double,
        exceptions={
            "test_a_flipped_bit_is_noticed_in_writing": UNVERIFIED,
            "test_a_flipped_bit_of_a_part_is_noticed": UNVERIFIED,
        },
    ),
)
