"""A simulated provider as a plugin executable, for a plain `terraform` that knows nothing of us.

`write_mirror(folder)` makes a filesystem mirror and a CLI configuration; with TF_CLI_CONFIG_FILE pointing
there, `terraform init` installs the simulated providers under the real ones' names and versions. Tests use
this to run the live code path without a cloud.

Terraform talks TLS to a plugin that it starts itself; the certificate is made once, with the mirror. The
client's own certificate is not checked: Terraform's is P-521, which gRPC's TLS library does not verify.

A lock file written with such a mirror holds our hashes under the real versions: do not keep it.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import platform
import shlex
import signal
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import grpc

from cloudberth.errors import EngineMissing
from cloudberth.infra.simulation.registry import PROVIDERS
from cloudberth.infra.simulation.server import WORKERS, SimulatedAccount, grpc_server
from cloudberth.infra.simulation.sockets import socket_folder

COOKIE: Final = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
"""What Terraform sets in TF_PLUGIN_MAGIC_COOKIE, so that a plugin started by hand can say what it is."""
PROTOCOL: Final = 6
CERTIFICATE: Final = "certificate.pem"
KEY: Final = "key.pem"
CONFIGURATION: Final = "terraform.rc"
ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
WATCH_SECONDS: Final = 2.0


def write_mirror(folder: Path, names: Sequence[str] = tuple(PROVIDERS), delay: float = 0.0) -> Path:
    """A mirror with these providers; returns the CLI configuration to point TF_CLI_CONFIG_FILE to.

    delay: seconds that every change takes.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    _write_certificate(folder)
    for name in names:
        _write_plugin(folder, name, delay)
    configuration = folder / CONFIGURATION
    path = json.dumps(str(folder / "mirror"))
    installation = f"provider_installation {{\n  filesystem_mirror {{\n    path = {path}\n  }}\n}}\n"
    configuration.write_text(f"disable_checkpoint = true\n{installation}")
    return configuration


def _write_plugin(folder: Path, name: str, delay: float) -> None:
    account = SimulatedAccount(name, PROVIDERS[name])
    target = f"{platform.system().lower()}_{ARCHITECTURES[platform.machine().lower()]}"
    start = shlex.join(
        [
            sys.executable,
            "-I",
            "-m",
            "cloudberth.infra.simulation",
            "plugin",
            name,
            str(folder),
            f"--delay={delay}",
        ]
    )
    for source in account.registration.sources:
        place = folder / "mirror" / source / account.schema.version / target
        place.mkdir(parents=True, exist_ok=True)
        plugin = place / f"terraform-provider-{name}_v{account.schema.version}"
        plugin.write_text(f"#!/bin/sh\nexec {start}\n")
        plugin.chmod(0o755)


def _write_certificate(folder: Path) -> None:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise EngineMissing(
            "the package cryptography is not installed (only a mirror needs it)",
            where="simulated providers",
            hint=f"{sys.executable} -m pip install cryptography",
        ) from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_private(folder / KEY, secret)
    (folder / CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:  # noqa: PTH123
        stream.write(content)


def run_plugin(name: str, folder: Path, delay: float = 0.0) -> int:
    """Serve one provider to the Terraform that started this process, until it says Shutdown or goes away."""
    if os.environ.get("TF_PLUGIN_MAGIC_COOKIE") != COOKIE:
        print("This is a simulated Terraform provider; Terraform starts it.", file=sys.stderr)
        return 1
    # A Ctrl-C goes to the whole process group; Terraform decides when its plugins end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ended = threading.Event()
    threading.Thread(target=_watch_parent, args=(os.getppid(), ended), daemon=True).start()
    with socket_folder("berth-p") as sockets:
        address = f"{sockets}/s"
        pool = ThreadPoolExecutor(max_workers=WORKERS)
        server = grpc_server(SimulatedAccount(name, PROVIDERS[name], delay).service(), pool, ended.set)
        pem = (folder / CERTIFICATE).read_text()
        credentials = grpc.ssl_server_credentials([((folder / KEY).read_bytes(), pem.encode())])
        server.add_secure_port(f"unix://{address}", credentials)
        server.start()
        certificate = base64.b64encode(ssl.PEM_cert_to_DER_cert(pem)).decode().rstrip("=")
        print(f"1|{PROTOCOL}|unix|{address}|grpc|{certificate}", flush=True)
        ended.wait()
        server.stop(0)
        pool.shutdown(wait=False, cancel_futures=True)
    return 0


def _watch_parent(parent: int, ended: threading.Event) -> None:
    """A Terraform that was killed cannot say Shutdown."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    ended.set()
