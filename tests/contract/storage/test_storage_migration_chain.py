"""One collection of objects goes around the world and is killed on the way: at the end it is what it was.

local → S3 → Azure → Google → OSS → local, each hop a `berth storage migrate` of two .env files, killed with
-9 in the middle and started again. Small by default; the size is a matter of the environment::

    CHAIN_OBJECTS=20000 CHAIN_LARGE=3 CHAIN_KILLS=10 pytest -s tests/contract -k chain

CHAIN_THROUGH names other rigs on the way, with commas between: Azurite takes minutes for thousands.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from rig import Rig
from rig_registry import all_rigs
from storage_cases import ODD_KEYS, content, opened

from cloudberth.storage.contract import MIB, Attributes
from cloudberth.storage.storage import Storage
from faults.proxy import FaultProxy, Head

OBJECTS = int(os.environ.get("CHAIN_OBJECTS", "250"))
LARGE = int(os.environ.get("CHAIN_LARGE", "1"))
LARGE_BYTES = (100 if OBJECTS >= 5000 else 12) * MIB
KILLS = int(os.environ.get("CHAIN_KILLS", "5"))
WAY = "s3@ceph,azure-blob@azurite,google-storage@fake-gcs,aliyun-oss@double"
CHAIN = tuple(os.environ.get("CHAIN_THROUGH", WAY).split(","))
# What one of the stores on the way does not take: Azurite turns a backslash into a slash and cleans dots, OSS
# has no keys that begin with a slash, and none of more than 1,023 bytes.
NOT_EVERYWHERE = {
    "backslash", "dot", "dots", "dot-slash", "dots-inside", "parent", "trailing-dot", "three-dots",
    "leading-slash", "slash", "many-slashes", "1024-ascii", "1024-bytes",
}  # fmt: skip

# Requests that write a part, begin or end an upload, delete a batch, or ask for a token.
PARTLY = re.compile(
    r"comp=block|partNumber=|[?&](uploads|uploadId|delete)|cloudberth-uploads|/compose|/token|/batch"
)


class Seen(list[Head]):
    """What went through a proxy, with its time."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, head: Head) -> None:
        self.times.append(time.monotonic())
        super().append(head)

    def puts(self) -> list[tuple[float, str]]:
        """Time and target of each write of a whole object, in one request."""
        return [
            (moment, head.target)
            for moment, head in zip(self.times, self, strict=False)
            if head.method in {"PUT", "POST"} and not PARTLY.search(head.target)
        ]


def fill(storage: Storage) -> None:
    """Objects of all kinds: a median of 10 KiB, odd keys, metadata, some large ones."""
    draw = random.Random(20261126)
    keys = [key for name, key in ODD_KEYS.items() if name not in NOT_EVERYWHERE]
    keys += [
        f"upload_files/tenant-{number % 17}/{number:06d}.{'txt' if number % 3 else 'pdf'}"
        for number in range(OBJECTS)
    ]
    for number, key in enumerate(keys):
        size = min(int(draw.lognormvariate(9.2, 1.2)), MIB)
        attributes = Attributes(
            content_type="application/pdf" if key.endswith("pdf") else "text/plain; charset=utf-8",
            cache_control="max-age=60" if number % 5 == 0 else None,
            metadata={"origin": f"числ {number}"} if number % 7 == 0 else {},
        )
        storage.save(key, content(size, number % 50), attributes)
    for number in range(LARGE):
        storage.save(
            f"large/{number}.bin", content(LARGE_BYTES, number), Attributes(content_type="video/mp4")
        )


def facts(storage: Storage) -> Iterator[tuple[object, ...]]:
    """Everything about every object that has to survive."""
    for info in storage.list():
        attributes = storage.head(info.key).attributes
        yield (
            info.key,
            storage.load(info.key),
            attributes.content_type,
            attributes.cache_control,
            dict(attributes.metadata),
        )


def write_env(path: Path, environment: Mapping[str, str]) -> Path:
    path.write_text("".join(f"{name}='{value}'\n" for name, value in environment.items()))
    path.chmod(0o600)
    return path


def migrate(
    source: Path, target: Path, state: Path, kills: list[float]
) -> tuple[dict[str, object], list[float]]:
    """Run the command to its end, killed after so many seconds first; its summary, and when it was killed."""
    command = [
        sys.executable,
        "-m",
        "cloudberth.cli",
        "storage",
        "migrate",
        str(source),
        str(target),
        "--json",
    ]
    environment = {**os.environ, "XDG_STATE_HOME": str(state)}
    killed: list[float] = []
    for seconds in kills:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.communicate(timeout=seconds)
            break  # it was faster than we are
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed.append(time.monotonic())
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-3000:] + answer.stdout[-3000:]
    summary: dict[str, object] = json.loads(answer.stdout)
    return summary, killed


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.timeout(4000 + OBJECTS // 4)  # Azurite looks through all its blobs at each request
def test_a_collection_survives_the_way_around_the_world(tmp_path: Path) -> None:
    by_id: dict[str, Rig] = {rig.id: rig for rig in all_rigs()}
    rigs = [by_id[name] for name in CHAIN]
    for rig in rigs:
        if reason := rig.missing():
            pytest.skip(f"{rig.id}: {reason}")
    draw = random.Random(1)
    with ExitStack() as stack:
        first = {"STORAGE_TYPE": "local", "STORAGE_LOCAL_PATH": str(tmp_path / "first")}
        last = {"STORAGE_TYPE": "local", "STORAGE_LOCAL_PATH": str(tmp_path / "last")}
        for folder in ("first", "last", "state", *CHAIN):
            (tmp_path / folder).mkdir()
        places = [write_env(tmp_path / "first.env", first)]
        watched: list[Seen | None] = []
        for rig in rigs:
            running = stack.enter_context(rig.start(tmp_path / rig.id))
            assert running.address is not None
            assert running.through is not None
            proxy = stack.enter_context(FaultProxy(running.address))
            proxy.seen = seen = Seen()
            watched.append(seen)
            places.append(write_env(tmp_path / f"{rig.type}.env", running.through(proxy.address)))
        places.append(write_env(tmp_path / "last.env", last))
        watched.append(None)
        with opened(first) as storage:
            fill(storage)
        hops = list(zip(places, places[1:], watched, strict=False))
        for number, (source, target, seen_there) in enumerate(hops):
            kills = [
                draw.uniform(1.0, 2.0 + OBJECTS / 1500)
                for _ in range(KILLS * (number + 1) // len(hops) - KILLS * number // len(hops))
            ]
            began = time.monotonic()
            summary, killed = migrate(source, target, tmp_path / "state", kills)
            took = time.monotonic() - began
            twice, allowed = written_twice(seen_there, killed) if seen_there is not None else (0, 0)
            print(
                f"{source.stem} → {target.stem}: {took:.1f} s, {len(killed)} kills, {twice} written twice",
                summary,
            )
            assert twice <= allowed
        with opened(first) as one, opened(last) as other:
            count = 0
            for mine, theirs in zip(facts(one), facts(other), strict=True):
                assert mine == theirs
                count += 1
    assert count == OBJECTS + LARGE + len(ODD_KEYS) - len(NOT_EVERYWHERE)


def written_twice(seen: Seen, killed: list[float]) -> tuple[int, int]:
    """How many objects were written again, and how many may be: those of the seconds of the kills."""
    puts = seen.puts()
    twice = sum(times - 1 for times in Counter(target for _, target in puts).values())
    allowed = sum(1 for moment, _ in puts if any(kill - 2.5 <= moment <= kill + 0.5 for kill in killed))
    return twice, allowed
