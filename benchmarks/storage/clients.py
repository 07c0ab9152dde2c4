"""The clients of the storage benchmark, each with the same phases, as its own documentation would do them.

A library runs a phase in a fresh process and times it inside; a command line is timed from start to end,
since that is what its user waits for. Every client does `WIDTH` requests at once.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

WIDTH = 32
BUCKET = "bench"
BIN = Path(sys.executable).parent

# phase → (prefix, how many, bytes)
SIZES = {"small": (2000, 10 << 10), "medium": (200, 1 << 20), "large": (2, 256 << 20)}


def names(size: str) -> list[str]:
    """The keys of one size."""
    return [f"{size}/k{number:05d}" for number in range(SIZES[size][0])]


class Library:
    """A Python library; a subclass gives the single operations, threads do many."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.threads = ThreadPoolExecutor(WIDTH)

    def all(self, function: Callable[[str], object], keys: Iterable[str]) -> None:
        for _ in self.threads.map(function, keys):
            pass

    def put_small(self, size: str, data: bytes) -> None:
        self.all(lambda key: self.put(key, data), names(size))

    def get_small(self, size: str) -> None:
        self.all(self.get, names(size))

    def copy_small(self, size: str) -> None:
        self.all(lambda key: self.copy(key, f"copy/{key}"), names(size))

    def put(self, key: str, data: bytes) -> Any: ...
    def get(self, key: str) -> Any: ...
    def copy(self, source: str, key: str) -> Any: ...
    def put_files(self, folder: Path) -> None: ...
    def get_files(self, folder: Path) -> None: ...
    def list(self) -> int: ...
    def delete(self, keys: list[str]) -> None: ...


class Berth(Library):
    """`cloudberth.storage` as an application uses it: save_many, load_many, save, download, list, delete."""

    def __init__(self, environment: dict[str, str]) -> None:
        super().__init__(environment)
        from cloudberth import storage

        self.storage = storage.open(environment, storage.Options(concurrency=WIDTH))

    def put_small(self, size: str, data: bytes) -> None:
        if size == "small":
            self.checked(self.storage.save_many(((key, data) for key in names(size)), width=WIDTH))
        else:
            super().put_small(size, data)

    def get_small(self, size: str) -> None:
        if size == "small":
            self.checked(self.storage.load_many(names(size), width=WIDTH))
        else:
            super().get_small(size)

    def checked(self, outcomes: Iterable[Any]) -> None:
        for outcome in outcomes:
            if outcome.error:
                raise outcome.error

    def put(self, key: str, data: bytes) -> None:
        self.storage.save(key, data)

    def get(self, key: str) -> bytes:
        return self.storage.load(key)

    def copy(self, source: str, key: str) -> None:
        self.storage.copy(source, key)

    def put_files(self, folder: Path) -> None:
        for key in names("large"):
            self.storage.save(key, folder / key)

    def get_files(self, folder: Path) -> None:
        for key in names("large"):
            self.storage.download(key, folder / key.replace("/", "-"))

    def list(self) -> int:
        return sum(1 for _ in self.storage.list("list/"))

    def delete(self, keys: list[str]) -> None:
        self.storage.delete(keys)


class BerthThreads(Berth):
    """The same with one call an object, on threads."""

    def put_small(self, size: str, data: bytes) -> None:
        Library.put_small(self, size, data)

    def get_small(self, size: str) -> None:
        Library.get_small(self, size)


class BerthRaw(Berth):
    """The engine under it: the same primitives without Storage and without layers."""

    def __init__(self, environment: dict[str, str]) -> None:
        super().__init__(environment)
        from cloudberth.storage.layers import bare_backend

        self.backend: Any = bare_backend(self.storage.backend)

    def calls(self, primitive: str, arguments: Iterable[tuple[Any, ...]]) -> None:
        from cloudberth.storage.calls import Call

        calls = (Call(primitive, given) for given in arguments)  # type: ignore[arg-type]
        self.checked(self.storage.backend.many(calls, WIDTH))

    def put_small(self, size: str, data: bytes) -> None:
        from cloudberth.storage.body import BytesBody

        if size == "small":
            self.calls("put", ((key, BytesBody(data)) for key in names(size)))
        else:
            self.all(lambda key: self.backend.put(key, BytesBody(data)), names(size))

    def get_small(self, size: str) -> None:
        if size == "small":
            self.calls("get", ((key,) for key in names(size)))
        else:
            self.all(lambda key: self.backend.get(key).reader.read(), names(size))

    def copy(self, source: str, key: str) -> None:
        self.backend.copy(source, key)

    def list(self) -> int:
        count, cursor = 0, None
        while True:
            page = self.backend.list("list/", cursor=cursor)
            count += len(page.entries)
            cursor = page.next
            if cursor is None:
                return count

    def delete(self, keys: list[str]) -> None:
        self.all(self.backend.delete, [keys[at : at + 1000] for at in range(0, len(keys), 1000)])  # type: ignore[arg-type,misc]


class Boto3(Library):
    """boto3 with its own transfer manager."""

    def __init__(self, environment: dict[str, str]) -> None:
        super().__init__(environment)
        import boto3
        from boto3.s3.transfer import TransferConfig
        from botocore.config import Config

        self.client = boto3.client(
            "s3",
            endpoint_url=environment["S3_ENDPOINT"],
            aws_access_key_id=environment["S3_ACCESS_KEY"],
            aws_secret_access_key=environment["S3_SECRET_KEY"],
            region_name="us-east-1",
            config=Config(
                max_pool_connections=WIDTH,
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        self.transfer = TransferConfig(max_concurrency=WIDTH)

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def get(self, key: str) -> None:
        self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def copy(self, source: str, key: str) -> None:
        self.client.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": source})

    def put_files(self, folder: Path) -> None:
        for key in names("large"):
            self.client.upload_file(str(folder / key), BUCKET, key, Config=self.transfer)

    def get_files(self, folder: Path) -> None:
        for key in names("large"):
            target = str(folder / key.replace("/", "-"))
            self.client.download_file(BUCKET, key, target, Config=self.transfer)

    def list(self) -> int:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="list/")
        return sum(len(page.get("Contents", ())) for page in pages)

    def delete(self, keys: list[str]) -> None:
        for at in range(0, len(keys), 1000):
            batch = {"Objects": [{"Key": key} for key in keys[at : at + 1000]], "Quiet": True}
            self.client.delete_objects(Bucket=BUCKET, Delete=batch)


class Obstore(Library):
    """obstore (Rust)."""

    def __init__(self, environment: dict[str, str]) -> None:
        super().__init__(environment)
        import obstore
        from obstore.store import S3Store

        self.module = obstore
        self.store = S3Store(
            BUCKET,
            endpoint=environment["S3_ENDPOINT"],
            access_key_id=environment["S3_ACCESS_KEY"],
            secret_access_key=environment["S3_SECRET_KEY"],
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )

    def put(self, key: str, data: bytes) -> None:
        self.module.put(self.store, key, data)

    def get(self, key: str) -> None:
        self.module.get(self.store, key).bytes()

    def copy(self, source: str, key: str) -> None:
        self.module.copy(self.store, source, key)

    def put_files(self, folder: Path) -> None:
        for key in names("large"):
            self.module.put(self.store, key, folder / key, chunk_size=8 << 20, max_concurrency=WIDTH)

    def get_files(self, folder: Path) -> None:
        """By ranges in parallel, as its one stream would be slower."""
        size, step = SIZES["large"][1], 8 << 20
        for key in names("large"):
            with (folder / key.replace("/", "-")).open("wb") as file:
                descriptor = file.fileno()
                file.truncate(size)

                def one(at: int, key: str = key, descriptor: int = descriptor) -> None:
                    data = self.module.get_range(self.store, key, start=at, length=min(step, size - at))
                    os.pwrite(descriptor, bytes(data), at)

                for _ in self.threads.map(one, range(0, size, step)):
                    pass

    def list(self) -> int:
        return sum(len(batch) for batch in self.module.list(self.store, "list/", chunk_size=1000))

    def delete(self, keys: list[str]) -> None:
        self.module.delete(self.store, keys)


class OpenDal(Library):
    """opendal (Rust)."""

    def __init__(self, environment: dict[str, str]) -> None:
        super().__init__(environment)
        import opendal

        self.operator = opendal.Operator(
            "s3",
            bucket=BUCKET,
            endpoint=environment["S3_ENDPOINT"],
            access_key_id=environment["S3_ACCESS_KEY"],
            secret_access_key=environment["S3_SECRET_KEY"],
            region="us-east-1",
        )

    def put(self, key: str, data: bytes) -> None:
        self.operator.write(key, data)

    def get(self, key: str) -> None:
        self.operator.read(key)

    def copy(self, source: str, key: str) -> None:
        self.operator.copy(source, key)

    def put_files(self, folder: Path) -> None:
        for key in names("large"):
            with (folder / key).open("rb") as source, self.operator.open(key, "wb") as target:
                shutil.copyfileobj(source, target, 8 << 20)

    def get_files(self, folder: Path) -> None:
        for key in names("large"):
            with (
                (folder / key.replace("/", "-")).open("wb") as target,
                self.operator.open(key, "rb") as source,
            ):
                shutil.copyfileobj(source, target, 8 << 20)

    def list(self) -> int:
        return sum(1 for _ in self.operator.list("list/", recursive=True))

    def delete(self, keys: list[str]) -> None:
        self.all(self.operator.delete, keys)


LIBRARIES: dict[str, type[Library]] = {
    "berth": Berth,
    "berth threads": BerthThreads,
    "berth raw": BerthRaw,
    "boto3": Boto3,
    "obstore": Obstore,
    "opendal": OpenDal,
}


def command(client: str, phase: str, endpoint: str, folder: Path) -> list[str]:
    """The command line of a client for a phase. folder: with small/, medium/, large/ in it."""
    action, _, size = phase.partition(" ")
    remote, copies = f"s3://{BUCKET}/{size}/", f"s3://{BUCKET}/copy/{size}/"
    local, target = f"{folder}/{size}/", f"{folder}/down-{size}/"
    if client == "berth":
        program = [str(BIN / "berth"), "storage"]
        quiet = ["--quiet", "--concurrency", str(WIDTH)]
        return {
            "put": [*program, "cp", "-r", local, remote, *quiet],
            "sync": [*program, "sync", local, remote, *quiet, "--restart"],
            "get": [*program, "cp", "-r", remote, target, *quiet],
            "copy": [*program, "cp", "-r", remote, copies, *quiet],
            "list": [*program, "ls", "-r", f"s3://{BUCKET}/list/"],
            "delete": [*program, "rm", "-r", "--yes", remote],
        }[action]
    if client == "s5cmd":
        program = [
            str(BIN / "s5cmd"),
            "--endpoint-url",
            endpoint,
            "--numworkers",
            str(WIDTH),
            "--log",
            "error",
        ]
        return {
            "put": [*program, "cp", f"{local}*", remote],
            "sync": [*program, "sync", local, remote],
            "get": [*program, "cp", f"{remote}*", target],
            "copy": [*program, "cp", f"{remote}*", copies],
            "list": [*program[:-2], "ls", f"s3://{BUCKET}/list/*"],
            "delete": [*program, "rm", f"{remote}*"],
        }[action]
    options = "provider=Other,env_auth=true,force_path_style=true,no_head=true,list_version=2"
    base = f":s3,{options},endpoint='{endpoint}':{BUCKET}/"
    program = [str(BIN / "rclone"), "--transfers", str(WIDTH), "--checkers", str(WIDTH), "--retries", "1"]
    program += ["--config", "/dev/null", "--s3-no-check-bucket", "--ignore-checksum"]
    return {
        "put": [*program, "copy", local, f"{base}{size}"],
        "sync": [*program, "sync", local, f"{base}{size}"],
        "get": [*program, "copy", f"{base}{size}", target],
        "copy": [*program, "copy", f"{base}{size}", f"{base}copy/{size}"],
        "list": [*program, "lsf", "-R", "--files-only", "--fast-list", f"{base}list"],
        "delete": [*program, "delete", f"{base}{size}"],
    }[action]


def run_library(client: str, phase: str, environment: dict[str, str], folder: Path) -> dict[str, float]:
    """One phase of a library in this process: seconds and peak memory in MiB."""
    library = LIBRARIES[client](environment)
    action, _, size = phase.partition(" ")
    data = b"x" * SIZES.get(size, (0, 0))[1] if size != "large" else b""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as target:
        began = time.perf_counter()
        if action == "put":
            library.put_files(folder) if size == "large" else library.put_small(size, data)
        elif action == "get":
            library.get_files(Path(target)) if size == "large" else library.get_small(size)
        elif action == "copy":
            library.copy_small(size)
        elif action == "list":
            count = library.list()
            assert count == 20_000, count
        else:
            library.delete(names(size))
        seconds = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}


def check_command(client: str, phase: str, lines: int, folder: Path) -> None:
    """Raise when a command did not do what it was asked for."""
    action, _, size = phase.partition(" ")
    if action == "list" and lines < 20_000:
        raise RuntimeError(f"{client} listed {lines} of 20,000 keys")
    if action == "get":
        found = sum(1 for file in (folder / f"down-{size}").rglob("*") if file.is_file())
        if found != SIZES[size][0]:
            raise RuntimeError(f"{client} fetched {found} of {SIZES[size][0]} objects")


def run_command(
    client: str, phase: str, endpoint: str, environment: dict[str, str], folder: Path
) -> dict[str, float]:
    """One phase of a command line, start to end."""
    for old in folder.glob("down-*"):
        shutil.rmtree(old)
    size = phase.partition(" ")[2]
    if size:
        (folder / f"down-{size}").mkdir(exist_ok=True)
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as listed:
        process = subprocess.Popen(
            command(client, phase, endpoint, folder), env=environment, stdout=listed, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        said.seek(0)
        if status:
            raise RuntimeError(f"{client} {phase}: exit {status}: {said.read().decode()[-600:]}")
        listed.seek(0)
        lines = sum(1 for _ in listed)
    check_command(client, phase, lines, folder)
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}


if __name__ == "__main__":
    given = json.loads(sys.stdin.read())
    print(
        json.dumps(run_library(given["client"], given["phase"], given["environment"], Path(given["folder"])))
    )
