"""What an operator decides about the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """data: the folder that holds what the server keeps. traces_url: where traces are, when not there.

    metrics_token: who shows it may read `/metrics`; empty leaves that to this machine and private networks.
    session_hours: how long a sign-in lasts without being used. otlp_together: how many OTLP requests are
    held in memory at once; with the limits of one (`IngestLimits`) that bounds what senders can take.
    form_body: the most bytes of a form. live_seconds: how old the numbers of live pages get before they ask
    again.
    """

    data: Path
    traces_url: str = field(default="", repr=False)
    metrics_token: str = field(default="", repr=False)
    session_hours: float = 12.0
    otlp_together: int = 4
    form_body: int = 256 << 10
    live_seconds: int = 5

    @property
    def traces(self) -> str:
        """The database of traces: a file in the data folder, or what `traces_url` says."""
        return self.traces_url or str(self.data / "traces.db")

    @property
    def database(self) -> Path:
        """Sessions, by the hash of their token."""
        return self.data / "console.sqlite"

    @property
    def knowledge(self) -> Path:
        """Documents, vectors and their state, as far as no variable puts them elsewhere."""
        return self.data / "knowledge"

    @property
    def admin_token(self) -> Path:
        """The hash of the administrator's token."""
        return self.data / "admin-token"
