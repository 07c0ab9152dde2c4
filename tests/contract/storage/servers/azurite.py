"""Azurite, Microsoft's own emulator of Azure Storage. It checks shared keys, signed URLs and their expiry."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from servers.processes import HOST, Shared, answers, free_port, process, wait

CHECKOUT = Path(__file__).resolve().parents[4]
ACCOUNT = "devstoreaccount1"
# The key of Azurite's own account, which is published with it.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, slots=True)
class Azurite:
    """An Azurite that is up. url: of the account, without a slash at the end."""

    host: str
    port: int
    account: str = ACCOUNT
    key: str = field(default=KEY, repr=False)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/{self.account}"


def program() -> str | None:
    """The command ``azurite-blob``: of BERTH_AZURITE (a folder), of the checkout, or of the PATH."""
    places = (
        os.environ.get("BERTH_AZURITE", ""),
        str(CHECKOUT / ".servers" / "node_modules" / ".bin"),
        os.environ.get("PATH", ""),
    )
    return shutil.which("azurite-blob", path=os.pathsep.join(place for place in places if place))


def missing() -> str:
    """Why it cannot run here; empty when it can."""
    return "" if program() else "azurite-blob is not installed (npm install --prefix .servers azurite)"


@contextmanager
def started(folder: Path) -> Iterator[Azurite]:
    """An Azurite of one's own, with an empty account in memory."""
    port = free_port()
    command = [
        program() or "azurite-blob", "--blobHost", HOST, "--blobPort", str(port), "--inMemoryPersistence",
        "--silent", "--skipApiVersionCheck", "--disableTelemetry",
    ]  # fmt: skip
    log = folder / "azurite.log"
    with process(command, log) as running:
        wait(running, lambda: answers(port), log)
        yield Azurite(HOST, port)


up = Shared("azurite", started)
