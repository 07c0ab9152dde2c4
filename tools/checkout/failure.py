"""What can go wrong while the environment is made, in words for the person at the keyboard."""

from __future__ import annotations

import re
from dataclasses import dataclass


class SetUpFailed(Exception):
    """The environment could not be made. what: one sentence; hint: what to do about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Known:
    """A failure of pip that is recognised by its output."""

    pattern: re.Pattern[str]
    what: str
    hint: str


KNOWN = (
    Known(
        re.compile(r"No space left on device|Disk quota exceeded|Errno 28|Errno 122"),
        "the disk is full",
        "About 600 MB are needed beside this checkout. Make room, or put the environment elsewhere: "
        "BERTH_VENV=/path/with/room.",
    ),
    Known(
        re.compile(r"DO NOT MATCH THE HASHES|do not match the hashes", re.IGNORECASE),
        "a downloaded package is not the one that was locked",
        "The package index, or something between, served another file. `python3 -m pip cache purge` and run "
        "again; if it stays so, ask whoever runs the index in PIP_INDEX_URL.",
    ),
    Known(
        re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError"),
        "the package index shows a certificate that this machine does not trust",
        "Behind a proxy that opens TLS, name its certificate: PIP_CERT=/path/to/ca.pem. On a bare Debian: "
        "apt-get install ca-certificates.",
    ),
    Known(
        re.compile(
            r"name resolution|Name or service not known|nodename nor servname|Network is unreachable|"
            r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|Connection refused|ProxyError|"
            r"Failed to establish a new connection|RemoteDisconnected|IncompleteRead|Connection reset"
        ),
        "the package index cannot be reached",
        "Check the network. Behind a proxy set HTTPS_PROXY; with a mirror set PIP_INDEX_URL. What was "
        "already downloaded is kept.",
    ),
    Known(
        re.compile(r"No matching distribution found for (?P<package>\S+)"),
        "the package index has no {package} for this machine",
        "A mirror may be behind: try without PIP_INDEX_URL. There are wheels for Linux (glibc) and macOS, on "
        "x86_64 and arm64.",
    ),
    Known(
        re.compile(r"Permission denied|Errno 13"),
        "a file could not be written",
        "The environment may belong to another user: run as that user, or BERTH_VENV=/path/of/your/own.",
    ),
)

# The line of a traceback, or of pip, that says what happened; the rest around it is talk.
_TELLING = re.compile(r"(ERROR: |[A-Za-z_.]*(Error|Exception): )")


def explain(output: str, task: str) -> SetUpFailed:
    """What the output of a failed command says, for people.

    task: what was being done. An output that is not recognised is quoted by its most telling line.
    """
    for known in KNOWN:
        match = known.pattern.search(output)
        if match:
            return SetUpFailed(f"{task}: {known.what.format(**match.groupdict())}", known.hint)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.match(line)] or lines[-1:]
    return SetUpFailed(f"{task} failed", telling[-1] if telling else "")
