"""A machine to rehearse the boot program on: a folder for its disk, programs that write down calls.

Every program that `boot.py` starts is one script that writes down how it was called and answers from a small
state (secrets, release marker, disk). `rules` make a call fail, once or always.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[2] / "src/cloudberth"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from app_cases import FACTS, by_terraform, dify, secret  # noqa: E402

from cloudberth.apps.stack import stack  # noqa: E402
from cloudberth.infra.workspace import boot_files  # noqa: E402

MACHINE = "i-0123456789abcdef0"
VOLUME = "vol-0a1b2c3d4e5f67890"
REGISTRY_PASSWORD = "eyJwYXlsb2FkIjoicmVnaXN0cnkifQ=="
PROGRAMS = ("aws", "blkid", "docker", "findmnt", "mkfs.ext4", "mount", "resize2fs", "systemctl")

FAKE = r"""#!/bin/sh
# Writes down how it was called, then answers from files. In the shell, since a start calls it thirty times.
S=@STATE@
read -r number < "$S/number"; number=$((number + 1)); echo $number > "$S/number"
/bin/cat /proc/$$/cmdline > "$S/calls/$number.argv"
/bin/cat /proc/$$/environ > "$S/calls/$number.env"
name=${0##*/}; line="$name $*"
case "$line" in *--password-stdin*) /bin/cat > "$S/calls/$number.stdin" ;; esac

for rule in "$S"/rules/*/; do
    [ -d "$rule" ] || continue
    read -r match < "$rule/match"; read -r times < "$rule/times"; read -r code < "$rule/exit"
    case "$line" in *"$match"*) ;; *) continue ;; esac
    [ "$times" = 0 ] && continue
    [ "$times" -gt 0 ] && echo $((times - 1)) > "$rule/times"
    /bin/cat "$rule/stdout"; /bin/cat "$rule/stderr" >&2
    exit "$code"
done

after() {
    want=$1; shift
    while [ $# -gt 0 ]; do [ "$1" = "$want" ] && { printf %s "$2"; return; }; shift; done
}
case "$name $1 $2" in
    "aws secretsmanager "*) id=$(after --secret-id "$@"); /bin/cat "$S/secrets/${id##*/}" ;;
    "aws ssm get-parameter") printf '{"Parameter": {"Value": "%s"}}' "$(/bin/cat "$S/marker")" ;;
    "aws ssm put-parameter") after --value "$@" > "$S/marker"; echo '{"Version": 2}' ;;
    "aws ec2 describe-volumes") /bin/cat "$S/volume" ;;
    "aws ec2 attach-volume")
        held='{"Volumes": [{"State": "in-use", "Attachments": [{"InstanceId": "%s", "State": "attached"}]}]}'
        printf "$held" "$(after --instance-id "$@")" > "$S/volume" ;;
    "aws ecr "*) /bin/cat "$S/registry_password" ;;
    "aws s3 "*) /bin/cp "$S/bundle.gz" "$4" ;;
    "docker create "*) echo c0ffee ;;
    "docker cp "*) echo plugin > "$3" ;;
    "blkid "*) [ -s "$S/file_system" ] || exit 2; /bin/cat "$S/file_system" ;;
    "mkfs.ext4 "*) echo ext4 > "$S/file_system" ;;
    "findmnt "*) [ -e "$S/mounted" ] ;;
    "mount "*) : > "$S/mounted" ;;
esac
"""


def old_python() -> str:
    """Python 3.9, as on the machines, where it is installed; this one otherwise."""
    versions = sorted((Path.home() / ".pyenv/versions").glob("3.9.*/bin/python"))
    return str(versions[-1]) if versions else shutil.which("python3.9") or sys.executable


@dataclass
class Call:
    argv: list[str]
    stdin: str
    env: dict[str, str]

    @property
    def line(self) -> str:
        return " ".join(self.argv)


@dataclass
class Done:
    """How a run of boot.py ended."""

    code: int
    stdout: str
    stderr: str
    calls: list[Call]
    events: list[dict[str, Any]] = field(default_factory=list)

    def names(self) -> list[str]:
        return [event["event"] for event in self.events]

    def lines(self, prefix: str) -> list[str]:
        return [call.line for call in self.calls if call.line.startswith(prefix)]

    def position(self, part: str) -> int:
        """Of the first call that contains a text."""
        return next(number for number, call in enumerate(self.calls) if part in call.line)

    @property
    def why(self) -> str:
        return str(next((event["why"] for event in self.events if event["event"] == "gave up"), ""))


@dataclass
class Rig:
    root: Path
    group: str
    metadata: str
    router: str

    @property
    def run(self) -> Path:
        return self.root / "run/cloudberth"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def marker(self) -> str:
        return (self.state / "marker").read_text()

    def set(self, name: str, text: str) -> None:
        """A piece of the world: ``marker``, ``volume``, ``file_system``."""
        (self.state / name).write_text(text)

    def set_secret(self, name: str, value: str) -> None:
        (self.state / "secrets" / name).write_text(json.dumps({"SecretString": value}))

    def fail(self, match: str, *, times: int = -1, exit: int = 1, stderr: str = "", stdout: str = "") -> None:
        """Make calls that contain a text fail: so many times, -1 for ever."""
        folder = self.state / "rules" / f"{len(list((self.state / 'rules').iterdir())):02}"
        folder.mkdir()
        values = {
            "match": f"{match}\n",
            "times": f"{times}\n",
            "exit": f"{exit}\n",
            "stderr": stderr,
            "stdout": stdout,
        }
        for name, text in values.items():
            (folder / name).write_text(text)

    def bundle(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.root / "opt/cloudberth/bundle.json").read_text())
        return document

    def change_bundle(self, **values: Any) -> None:
        (self.root / "opt/cloudberth/bundle.json").write_text(json.dumps(self.bundle() | values))

    def environment(self) -> dict[str, str]:
        return {
            "PATH": str(self.root / "bin"),
            "HOME": str(self.root),
            "CLOUDBERTH_ROOT": str(self.root),
            "CLOUDBERTH_PATIENCE": "0.0005",
            "CLOUDBERTH_ROUTER": self.router,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata,
        }

    def boot(self, command: str = "start", timeout: float = 60) -> Done:
        """Run boot.py as systemd would."""
        calls = self.state / "calls"
        shutil.rmtree(calls, ignore_errors=True)
        calls.mkdir()
        self.set("number", "0\n")
        done = subprocess.run(
            [old_python(), str(self.root / "opt/cloudberth/boot.py"), command],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return Done(done.returncode, done.stdout, done.stderr, recorded(calls), events)

    def reboot(self) -> None:
        """Memory and mounts are gone, disks are not."""
        shutil.rmtree(self.root / "run", ignore_errors=True)
        (self.state / "mounted").unlink(missing_ok=True)

    def files_outside_memory(self) -> Iterator[Path]:
        """All files of the machine but those in /run and the rig's own."""
        elsewhere = {self.state, self.root / "run"}
        for path in self.root.rglob("*"):
            if path.is_file() and not elsewhere & set(path.parents):
                yield path


def recorded(folder: Path) -> list[Call]:
    """What the programs wrote down, in order."""
    calls = []
    for path in sorted(folder.glob("*.argv"), key=lambda path: int(path.stem)):
        argv = path.read_bytes().decode(errors="replace").split("\0")[1:-1]  # without the shell's own name
        environment = path.with_suffix(".env").read_bytes().decode(errors="replace").split("\0")
        stdin = path.with_suffix(".stdin")
        calls.append(
            Call(
                [Path(argv[0]).name, *argv[1:]],
                stdin.read_text() if stdin.exists() else "",
                dict(pair.split("=", 1) for pair in environment if "=" in pair),
            )
        )
    return calls


def programs(cloud: str = "aws") -> dict[str, str]:
    """The boot program's files, as the workspace has them."""
    return {name: text for name, text in boot_files(cloud).items() if name.endswith(".py")}


def bundle(group: str, text: str = "") -> dict[str, Any]:
    """The bundle of a machine group of the newest Dify, as terraform/aws/modules/compute makes it."""
    app, deployment = dify(text)
    files = stack(app, deployment)
    index = json.loads(files["stack.json"])
    names = ["database_password", "cache_password", *app.secrets]
    return {
        "format": 1,
        "group": group,
        "name": "dify",
        "region": "eu-central-1",
        "release": index["release"],
        "stack": index["groups"][group],
        "queue": index["queue"],
        "facts": {key: value for key, value in FACTS.items() if key != "machine"},
        "secrets": {
            name: f"arn:aws:secretsmanager:eu-central-1:000000000000:secret:dify/{name}" for name in names
        },
        "cloud": {
            "marker_parameter": "/cloudberth/dify/release",
            "metric_namespace": "Cloudberth",
            "lifecycle_hook": "dify-app-started" if group == "app" else "",
            "auto_scaling_group": f"dify-{group}",
            "device": "/dev/sdf",
            "volume_id": VOLUME if group == "stateful" else "",
            "record": {
                "zone_id": "Z0PRIVATE" if group == "stateful" else "",
                "name": FACTS["stateful"]["host"] if group == "stateful" else "",
            },
        },
        "files": {
            path.partition("/")[2]: by_terraform(content)
            for path, content in files.items()
            if path.startswith(f"{group}/")
        },
        "programs": programs(),
    }


class Metadata(BaseHTTPRequestHandler):
    """The metadata service, version 2: nothing without a token."""

    values: Mapping[str, str] = {"instance-id": MACHINE, "local-ipv4": "10.40.1.7"}

    def do_PUT(self) -> None:
        self._answer(200 if "X-aws-ec2-metadata-token-ttl-seconds" in self.headers else 400, "token")

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, "ok")
            return
        if self.headers.get("X-aws-ec2-metadata-token") != "token":
            self._answer(401, "")
            return
        value = self.values.get(self.path.removeprefix("/latest/meta-data/"))
        self._answer(404 if value is None else 200, value or "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def set_up(root: Path, group: str, metadata: str, text: str = "") -> Rig:
    """A machine after cloud-init: the bundle and the programs are there, nothing has run."""
    folder = root / "opt/cloudberth"
    folder.mkdir(parents=True)
    content = bundle(group, text)
    (folder / "bundle.json").write_text(json.dumps(content))
    for name, source in content["programs"].items():
        (folder / name).write_text(source)
    rig = Rig(root, group, metadata, metadata.removeprefix("http://"))
    for name in ("rules", "secrets", "calls"):
        (rig.state / name).mkdir(parents=True)
    for name in content["secrets"]:
        rig.set_secret(name, secret(name))
    rig.set("marker", content["release"] if group == "app" else "none")
    rig.set("volume", json.dumps({"Volumes": [{"State": "available", "Attachments": []}]}))
    rig.set("file_system", "")
    rig.set("registry_password", REGISTRY_PASSWORD)
    device = root / f"dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{VOLUME.replace('-', '')}"
    device.parent.mkdir(parents=True)
    device.write_bytes(bytes(4096))
    (root / "bin").mkdir()
    for name in PROGRAMS:
        path = root / "bin" / name
        path.write_text(FAKE.replace("@STATE@", str(rig.state)))
        path.chmod(0o755)
    return rig


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def is_root() -> bool:
    return os.geteuid() == 0
