"""Object storage: our library and command line against boto3, obstore, opendal, s5cmd and rclone, in one run.

    python benchmarks/storage_speed.py [--server stub|rclone|ceph] [--runs 5] [--clients …] [--phases …]

Every figure is the median of the runs, in which the clients take turns, so that what else the machine does
hits all of them. Each run is a process of its own: peak memory is that of the process. stub is nginx with
canned answers (what is measured is the client), rclone a fast server in memory, ceph a production server.
Ratios are against the fastest of the peers; nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "storage"))

from clients import LIBRARIES, SIZES, names, run_command
from servers import SERVERS, Endpoint

COMMANDS = ("berth", "s5cmd", "rclone")
LIBRARY_PHASES = (
    "put small", "get small", "copy small", "put medium", "get medium", "put large", "get large", "list",
    "delete small",
)  # fmt: skip
COMMAND_PHASES = (
    "put small", "sync small", "get small", "copy small", "put medium", "get medium", "put large",
    "get large", "list", "delete small",
)  # fmt: skip
# What a server cannot do: the stub knows no multipart and no ranges, rclone neither copies nor ranges.
IMPOSSIBLE = {
    "stub": {
        "put large",
        "get large",
        "sync small",
        "get small cli",
        "get medium cli",
        "copy small cli",
        "delete small cli",
    },
    "rclone": {"copy small", "get large"},
    "ceph": set(),
}


def library(client: str, phase: str, endpoint: Endpoint, folder: Path) -> dict[str, float]:
    """One phase of a library, in a process of its own."""
    given = {"client": client, "phase": phase, "environment": endpoint.environment, "folder": str(folder)}
    script = Path(__file__).resolve().parent / "storage" / "clients.py"
    answer = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise RuntimeError(f"{client} {phase}: {answer.stderr[-600:]}")
    result: dict[str, float] = json.loads(answer.stdout)
    return result


def make_files(folder: Path) -> None:
    """The files that are uploaded."""
    for size, (_, length) in SIZES.items():
        (folder / size).mkdir()
        block = os.urandom(min(length, 1 << 20))
        for key in names(size):
            with (folder / key).open("wb") as file:
                for _ in range(max(1, length // len(block))):
                    file.write(block)


def fill(endpoint: Endpoint, phase: str, *, first: bool) -> None:
    """What a phase wants to find. first: before the first run; later ones find what is there already."""
    from cloudberth import storage

    action, _, size = phase.partition(" ")
    if action == "put" or not (first or action in {"sync", "delete"}):
        return
    with storage.open(endpoint.environment) as bucket:
        if action == "sync":
            bucket.delete(names(size))
            return
        if size == "large":
            for key in names(size):
                bucket.save(key, b"x" * SIZES[size][1])
            return
        content = b"x" * (SIZES[size][1] if size else 10)
        keys = names(size) if size else [f"list/k{number:05d}" for number in range(20_000)]
        for outcome in bucket.save_many(((key, content) for key in keys), width=16):
            if outcome.error:
                raise outcome.error


def amount(phase: str, seconds: float) -> str:
    """A rate: objects a second, or MiB a second for what is large."""
    action, _, size = phase.partition(" ")
    if action == "list":
        return f"{20_000 / seconds:,.0f}/s"
    count, length = SIZES[size]
    return (
        f"{count / seconds:,.0f}/s" if size == "small" else f"{count * length / seconds / 2**20:,.0f} MiB/s"
    )


def compare(
    title: str, phases: list[str], clients: list[str], run: object, server: str, runs: int, endpoint: Endpoint
) -> None:
    """Run and print one table."""
    peers = [client for client in clients if not client.startswith("berth")]
    for phase in phases:
        results: dict[str, list[dict[str, float]]] = {client: [] for client in clients}
        for number in range(runs):
            for position, client in enumerate(clients):
                if server != "stub":
                    fill(endpoint, phase, first=not number and not position)
                try:
                    results[client].append(run(client, phase))  # type: ignore[operator]
                except RuntimeError as error:
                    print(f"  {error}", file=sys.stderr)
        print(f"\n{title}: {phase}")
        medians = {c: statistics.median(r["seconds"] for r in found) for c, found in results.items() if found}
        best = min((medians[peer] for peer in peers if peer in medians), default=None)
        for client, seconds in medians.items():
            found = results[client]
            cpu = statistics.median(result["cpu"] for result in found)
            peak = statistics.median(result["peak"] for result in found)
            ratio = f"{best / seconds:5.2f} × the fastest peer" if best else ""
            print(
                f"  {client:<14}{amount(phase, seconds):>14}  {ratio}  "
                f"cpu {cpu:6.2f} s  peak {peak:5.0f} MiB",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--server", choices=SERVERS, default="ceph")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--clients", nargs="*", default=[*LIBRARIES, *COMMANDS])
    parser.add_argument("--phases", nargs="*", default=[])
    parser.add_argument("--only", choices=("library", "cli"))
    given = parser.parse_args()
    impossible = IMPOSSIBLE[given.server]
    with SERVERS[given.server]() as endpoint, tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        make_files(folder)
        environment = {**os.environ, **endpoint.environment}
        print(f"server {given.server}, {given.runs} runs, load {os.getloadavg()[0]:.1f}")
        if given.only != "cli":
            phases = [
                p for p in LIBRARY_PHASES if p not in impossible and (not given.phases or p in given.phases)
            ]
            clients = [client for client in LIBRARIES if client in given.clients]
            compare(
                "library", phases, clients, lambda client, phase: library(client, phase, endpoint, folder),
                given.server, given.runs, endpoint,
            )  # fmt: skip
        if given.only != "library":
            phases = [
                p for p in COMMAND_PHASES
                if not impossible & {p, f"{p} cli"} and (not given.phases or p in given.phases)
            ]  # fmt: skip
            clients = [client for client in COMMANDS if client in given.clients]
            compare(
                "command line", phases, clients,
                lambda client, phase: run_command(client, phase, endpoint.url, environment, folder),
                given.server, given.runs, endpoint,
            )  # fmt: skip


if __name__ == "__main__":
    main()
