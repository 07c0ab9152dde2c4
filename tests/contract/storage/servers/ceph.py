"""Ceph's object gateway (radosgw): a production S3 server. It checks signatures, payload hashes, Content-MD5.

A whole small cluster on loopback: one monitor, one OSD with its objects in memory, one gateway. Nothing of it
is installed or configured on the machine beyond the programs; it also runs as an ordinary user.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from servers.processes import HOST, Shared, answers, free_port, process, wait

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "radosgw", "radosgw-admin")
REGION = "default"
CLASSES = ("STANDARD", "STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")

CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v2:{host}:{monitor}
public network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {folder}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
osd memory target = 1073741824
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon osd down out interval = 0
mon election timeout = 1
paxos propose interval = 0.1
osd objectstore = memstore
memstore device bytes = 6442450944
osd class load list = *
osd class default list = *
mon data = {folder}/mon
osd data = {folder}/osd
run dir = {folder}
pid file =
admin socket =
log to file = false
log to stderr = true
err to stderr = true
mon cluster log to file = false
mon cluster log to stderr = false
debug none = 0
rgw frontends = beast endpoint={host}:{gateway}
rgw thread pool size = 64
rgw enable usage log = false
rgw enable ops log = false
rgw enable gc threads = false
rgw enable lc threads = false
rgw enable quota threads = false
rgw run sync thread = false
rgw override bucket index max shards = 1
rgw dynamic resharding = false
rgw sts key = {sts_key}
rgw s3 auth use sts = true
[mon]
keyring = {folder}/mon/keyring
"""


@dataclass(frozen=True, slots=True)
class User:
    """Keys of a user of the gateway."""

    name: str
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ceph:
    """A gateway that is up. owner: may do everything; stranger: has no right on the owner's buckets.

    sts_key: what the gateway encrypts its session tokens with.
    """

    host: str
    port: int
    owner: User
    stranger: User
    sts_key: str = field(repr=False)
    region: str = REGION

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def missing() -> str:
    """Why it cannot run here; empty when it can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"{', '.join(absent)} not installed (apt-get install radosgw ceph-mon ceph-osd)" if absent else ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The folder of a cluster, and how its programs are called there."""

    folder: Path
    monitor: int
    gateway: int
    sts_key: str

    def configure(self, fsid: str) -> None:
        """Write ceph.conf, and the keys of everybody."""
        for name in ("mon", "osd"):
            (self.folder / name).mkdir()
        (self.folder / "ceph.conf").write_text(
            CONFIGURATION.format(
                fsid=fsid, host=HOST, monitor=self.monitor, gateway=self.gateway, folder=self.folder,
                sts_key=self.sts_key,
            )
        )  # fmt: skip
        keyring, first = self.folder / "keyring", self.folder / "first-keyring"
        self.key(first, "mon.", mon="allow *")
        self.key(keyring, "client.admin", mon="allow *", osd="allow *", mgr="allow *")
        self.key(keyring, "osd.0", mon="allow profile osd", osd="allow *")
        self.key(keyring, "client.rgw", mon="allow rwx", osd="allow rwx")
        self.run("ceph-authtool", first, "--import-keyring", keyring)

    def key(self, keyring: Path, name: str, **rights: str) -> None:
        """A new key in a keyring, which is made when it is not there."""
        create = [] if keyring.exists() else ["--create-keyring"]
        caps = [word for area, right in rights.items() for word in ("--cap", area, right)]
        self.run("ceph-authtool", *create, keyring, "--gen-key", "-n", name, *caps)

    def run(self, *command: str | Path, seconds: float = 30) -> str:
        """Run a program of Ceph to its end; raises CalledProcessError with what it said."""
        done = subprocess.run(
            [*map(str, command)], env=self.environment, capture_output=True, text=True, timeout=seconds,
            check=False, cwd=self.folder,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr[-1000:]}")
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": str(self.folder / "ceph.conf"), "CEPH_ARGS": ""}

    @contextmanager
    def daemon(self, name: str, *command: str | Path) -> Iterator[None]:
        """A program of Ceph in the foreground of its own process group."""
        with process(command, self.folder / f"{name}.log", self.environment):
            yield


@contextmanager
def started(folder: Path) -> Iterator[Ceph]:
    """A cluster of one's own, with two users and no bucket."""
    cluster = Cluster(folder, free_port(), free_port(), secrets.token_hex(8))
    fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
    cluster.configure(fsid)
    cluster.run(
        "monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:{HOST}:{cluster.monitor}]",
        folder / "monmap",
    )  # fmt: skip
    cluster.run(
        "ceph-mon", "-i", "a", "--mkfs", "--monmap", folder / "monmap", "--keyring", folder / "first-keyring"
    )
    with ExitStack() as stack:
        stack.enter_context(cluster.daemon("mon", "ceph-mon", "-i", "a", "-f", "--public-addr", HOST))
        cluster.run("ceph", "osd", "new", osd)
        cluster.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        stack.enter_context(cluster.daemon("osd", "ceph-osd", "-i", "0", "-f"))
        owner = user(cluster, "owner")
        add_storage_classes(cluster)
        log = folder / "rgw.log"
        gateway = stack.enter_context(
            process(["radosgw", "-f", "-n", "client.rgw"], log, cluster.environment)
        )
        stranger = user(cluster, "stranger")
        wait(gateway, lambda: answers(cluster.gateway), log, 60)
        yield Ceph(HOST, cluster.gateway, owner, stranger, cluster.sts_key)


def add_storage_classes(cluster: Cluster) -> None:
    """Amazon's names for tiers, as an operator of Ceph adds them; here they share one pool.

    https://docs.ceph.com/en/pacific/radosgw/placement/
    """
    group = json.loads(cluster.run("radosgw-admin", "zonegroup", "get"))
    for target in group["placement_targets"]:
        target["storage_classes"] = list(CLASSES)
    zone = json.loads(cluster.run("radosgw-admin", "zone", "get"))
    for pool in zone["placement_pools"]:
        (standard,) = pool["val"]["storage_classes"].values()
        pool["val"]["storage_classes"] = dict.fromkeys(CLASSES, standard)
    for kind, changed in (("zonegroup", group), ("zone", zone)):
        file = cluster.folder / f"{kind}.json"
        file.write_text(json.dumps(changed))
        cluster.run("radosgw-admin", kind, "set", f"--infile={file}")


def user(cluster: Cluster, name: str) -> User:
    """A new user of the gateway with keys of its own."""
    made = User(name, f"{name}-{secrets.token_hex(6)}", secrets.token_hex(20))
    cluster.run(
        "radosgw-admin", "user", "create", f"--uid={name}", f"--display-name={name}",
        f"--access-key={made.access_key}", f"--secret-key={made.secret_key}", "--max-buckets=0",
        "--caps=user-policy=*", seconds=100,
    )  # fmt: skip
    return made


up = Shared("ceph", started)
