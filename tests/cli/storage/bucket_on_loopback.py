"""A bucket on this machine whose server checks signatures, and the two ways to name it."""

from __future__ import annotations

from dataclasses import dataclass

from cloudberth.storage.storage import Storage

BUCKET, REGION = "berth-cli", "us-ashburn-1"
ACCESS_KEY, SECRET_KEY = "ak-of-the-cli", "sk-that-nobody-may-see"


@dataclass(frozen=True)
class Bucket:
    """env: location of the `.env` file. url: the same bucket, with credentials of the environment."""

    env: str
    url: str
    variables: dict[str, str]
    store: Storage

    def fill(self, **objects: bytes) -> None:
        for key, data in objects.items():
            self.store.save(key.replace("__", "/"), data)

    @property
    def keys(self) -> list[str]:
        return [info.key for info in self.store.list()]
