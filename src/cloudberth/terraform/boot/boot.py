"""Starts what runs on a machine. Run by systemd; Python 3.9 and the standard library are all there is.

    boot.py start     disks, secrets, files, images, one-shot steps or waiting for them, then the services
    boot.py stop      stops the services, with the time that each one wants
    boot.py metric    says how many tasks wait in the queues (stateful group, every minute)
    boot.py watch     stops background workers when the cloud announces that it takes the machine away
    boot.py logs      sends what containers write, on clouds whose logs Docker cannot reach by itself

Everything it needs is in ``bundle.json``, which holds no secret. Secrets are read with the machine's identity
and written to ``/run`` (memory) only: never to an argument of a program, never to the journal. What belongs
to one cloud is in ``boot_<cloud>.py``, which is called ``boot_cloud.py`` on the machine.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # on the machine these files stand side by side
    from cloudberth.environment.template import TemplateError, parse, resolve
    from cloudberth.terraform.boot import queue_depth
    from cloudberth.terraform.boot.boot_aws import Cloud as CloudOfThisMachine
    from cloudberth.terraform.boot.cloud import Cloud
    from cloudberth.terraform.boot.container_logs import follow
    from cloudberth.terraform.boot.disk import Disk
    from cloudberth.terraform.boot.journal import PATIENCE, Failed, Journal, asked, sleep
    from cloudberth.terraform.boot.private_files import write_private
else:
    import queue_depth
    from boot_cloud import Cloud as CloudOfThisMachine
    from container_logs import follow
    from disk import Disk
    from journal import PATIENCE, Failed, Journal, asked, sleep
    from private_files import write_private
    from template import TemplateError, parse, resolve

ROOT = Path(os.environ.get("CLOUDBERTH_ROOT", "/"))
"""Where the machine's files are; another folder only to rehearse the program."""
PROGRAMS = ROOT / "opt/cloudberth"
RUN = ROOT / "run/cloudberth"
PLUGIN = ROOT / "usr/local/lib/docker/cli-plugins/docker-compose"

PULL_ATTEMPTS = 8
STEP_ATTEMPTS = 5
MIGRATION_SECONDS = 3000  # below the hour after which the cloud gives a starting machine up
HEALTHY_SECONDS = 900


class Machine:
    """One start: the bundle, the cloud, the journal."""

    def __init__(self, bundle: Mapping[str, Any], cloud: Cloud, journal: Journal) -> None:
        self.bundle = bundle
        self.cloud = cloud
        self.journal = journal
        self.group: Mapping[str, Any] = bundle["stack"]
        self.stateful: bool = bundle["group"] == "stateful"

    def start(self) -> None:
        self.journal.write("start", group=self.bundle["group"], release=self.bundle["release"])
        if self.stateful and self.cloud.has_volume:
            Disk(ROOT, self.cloud, self.journal).prepare(self.group["volumes"])
        self.fill_in()
        self.log_in()
        self.install_compose()
        self.pull()
        if self.stateful:
            self.prepare_database()
        else:
            self.await_database()
        self.up()
        self.await_health()
        if self.stateful:
            self.journal.patiently("name", lambda: asked(self.cloud.register_name), 6)
        self.start_units()
        self.journal.write("ready", services=self.group["services"])

    def compose(self, *arguments: str) -> str:
        return self.journal.run("docker", "compose", "--file", str(RUN / "compose.yaml"), *arguments)

    # ---------------------------------------------------------------- secrets and files

    def fill_in(self) -> None:
        """Read the secrets that the files name, and write all files to memory."""
        values = {name: self._secret(name) for name in sorted(self._wanted())}
        identity = self.journal.patiently("identity", lambda: asked(lambda: self.cloud.machine_id), 6)
        facts = {"machine": {"id": identity}}
        for path, text in self.bundle["files"].items():
            if path.startswith("env/"):
                check_lines(path, text, values)
            try:
                content = resolve(text, facts, values.__getitem__)
            except TemplateError as error:
                raise Failed(f"{path}: {error}") from None
            write_private(RUN / path, content, self.group["owners"].get(path))
        self._note_queue(values)
        self.journal.write("files", count=len(self.bundle["files"]), secrets=len(values))

    def _wanted(self) -> set[str]:
        found = {
            part.secret
            for text in self.bundle["files"].values()
            for part in parse(text)
            if not isinstance(part, str) and part.secret
        }
        return found | ({"cache_password"} if self._measures_queue() else set())

    def _secret(self, name: str) -> str:
        identifier: str | None = self.bundle["secrets"].get(name)
        if identifier is None:
            raise Failed(f"there is no secret {name}")
        read = identifier
        value = self.journal.patiently(f"secret {name}", lambda: asked(lambda: self.cloud.secret(read)), 6)
        self.journal.conceal(value)
        return value

    def _measures_queue(self) -> bool:
        return self.stateful and bool(self.bundle.get("queue")) and bool(self.bundle["facts"].get("cache"))

    def _note_queue(self, values: Mapping[str, str]) -> None:
        """What `metric` needs, kept in memory so that it does not ask for the secret every minute."""
        if self._measures_queue():
            certificates = self.bundle["cloud"].get("cache_certificates", [])
            note = {
                "cache": {**self.bundle["facts"]["cache"], "certificates": certificates},
                "queue": self.bundle["queue"],
            }
            write_private(RUN / "queue.json", json.dumps({**note, "password": values["cache_password"]}))

    # ---------------------------------------------------------------- images

    def log_in(self) -> None:
        """To a private registry of the cloud, when images come from one. The password goes through stdin."""
        image = self.group["compose_image"]
        if not self.cloud.is_registry(image):
            return
        password = self.journal.patiently("registry", lambda: asked(self.cloud.registry_password), 6)
        self.journal.conceal(password)
        host = image.split("/")[0]
        command = ["docker", "login", "--username", self.cloud.registry_user, "--password-stdin", host]
        done = subprocess.run(command, input=password, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"docker login {host}: {self.journal.clean(done.stderr.strip())[-300:]}")

    def install_compose(self) -> None:
        """Copy the Compose plugin out of its image, once per version."""
        image, run = self.group["compose_image"], self.journal.run
        note = PLUGIN.with_name("docker-compose.image")
        if PLUGIN.exists() and note.exists() and note.read_text(encoding="utf-8") == image:
            return
        self.journal.patiently("pull", lambda: run("docker", "pull", "--quiet", image), PULL_ATTEMPTS, 5)
        container = run("docker", "create", image, "version", quiet=True).strip()
        try:
            PLUGIN.parent.mkdir(parents=True, exist_ok=True)
            run("docker", "cp", f"{container}:/docker-compose", str(PLUGIN))
        finally:
            run("docker", "rm", "--force", container, quiet=True)
        PLUGIN.chmod(0o755)
        note.write_text(image, encoding="utf-8")

    def pull(self) -> None:
        profiles = ["--profile", "once"] if self.group["once"] else []
        self.journal.patiently("pull", lambda: self.compose(*profiles, "pull", "--quiet"), PULL_ATTEMPTS, 5)

    # ---------------------------------------------------------------- database

    def prepare_database(self) -> None:
        """Run the one-shot steps in order, then tell the app machines which release they may start."""
        for step in self.group["once"]:
            self.journal.write("step", name=step)
            self._step(step)
        self.journal.patiently(
            "release", lambda: asked(lambda: self.cloud.write_marker(self.bundle["release"])), 6
        )
        self.journal.write("release", is_now=self.bundle["release"])

    def _step(self, name: str) -> None:
        self.journal.patiently(
            f"step {name}",
            lambda: self.compose("run", "--rm", "--no-deps", "--quiet-pull", "-T", name),
            STEP_ATTEMPTS,
            10,
        )

    def await_database(self) -> None:
        """Wait until the stateful machine has prepared the database for exactly this release."""
        wanted, seen = self.bundle["release"], ""
        deadline = time.monotonic() + MIGRATION_SECONDS * PATIENCE
        while True:
            try:
                marker = self.cloud.read_marker()
            except RuntimeError as error:
                marker = f"unreadable: {error}"
            if marker == wanted:
                self.journal.write("release", is_now=wanted)
                return
            if marker != seen:
                self.journal.write("waiting", wanted=wanted, is_now=marker)
                seen = marker
            if time.monotonic() > deadline:
                raise Failed(f"the database was not prepared for {wanted} in time; it is at {marker}")
            sleep(10)

    # ---------------------------------------------------------------- services

    def up(self) -> None:
        wait = ("--wait", "--wait-timeout", str(HEALTHY_SECONDS))
        self.journal.patiently(
            "services", lambda: self.compose("up", "--detach", *wait, "--remove-orphans"), 3, 10
        )

    def await_health(self) -> None:
        """Ask as the load balancer will (app group)."""
        if self.stateful or "router" not in self.group["services"]:
            return
        host = os.environ.get("CLOUDBERTH_ROUTER", "127.0.0.1:80")
        self.journal.patiently("health", lambda: answers(f"http://{host}/healthz"), 12, 1)

    def start_units(self) -> None:
        if self.cloud.ships_logs:
            self.journal.run("systemctl", "start", "cloudberth-logs.service")
        if self._measures_queue():
            self.journal.run("systemctl", "start", "cloudberth-metric.timer")
        if self.group["drain"]:
            self.journal.run("systemctl", "start", "cloudberth-watch.service")


def answers(url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - http, to this machine
            return
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise Failed(f"{url}: {error}") from None


def check_lines(path: str, text: str, values: Mapping[str, str]) -> None:
    """An env file has one line per variable: a secret with a line break would become another variable."""
    for part in parse(text):
        if isinstance(part, str) or not part.secret or part.filter:
            continue
        if any(character in values[part.secret] for character in "\n\r\0"):
            raise Failed(f"{path}: the secret {part.secret} holds a line break, which a variable cannot")


def load_bundle() -> dict[str, Any]:
    bundle: dict[str, Any] = json.loads((PROGRAMS / "bundle.json").read_text(encoding="utf-8"))
    if bundle.get("format") != 1:
        raise Failed(f"the bundle has format {bundle.get('format')!r}, this program reads 1")
    return bundle


def start(bundle: Mapping[str, Any], cloud: Cloud, journal: Journal) -> int:
    ready = False
    try:
        Machine(bundle, cloud, journal).start()
        ready = True
    except Failed as error:
        journal.write("gave up", why=str(error))
    except Exception as error:  # the text of an unforeseen error might hold a secret; its place does not
        journal.write("gave up", why=f"unforeseen {type(error).__name__} in {_place(error)}")
    cloud.tell_outcome(ready=ready)
    cloud.ship(journal.lines)
    return 0 if ready else 1


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"


def stop(bundle: Mapping[str, Any], cloud: Cloud, journal: Journal) -> int:
    if (RUN / "compose.yaml").exists():
        Machine(bundle, cloud, journal).compose("stop")
    return 0


def metric(_bundle: Mapping[str, Any], cloud: Cloud, journal: Journal) -> int:
    note = json.loads((RUN / "queue.json").read_text(encoding="utf-8"))
    journal.conceal(note["password"])
    try:
        depth = queue_depth.measure(note["cache"], note["password"], note["queue"])
        asked(lambda: cloud.publish_depth(depth))
    except (OSError, queue_depth.Refused, Failed) as error:
        journal.write("metric", why=str(error))
        return 1
    return 0


def watch(bundle: Mapping[str, Any], cloud: Cloud, journal: Journal) -> int:
    """Until the cloud announces the end of the machine: then let background workers finish what they have."""
    while not cloud.ends_soon():
        sleep(5)
    journal.write("ending", stopping=bundle["stack"]["drain"])
    Machine(bundle, cloud, journal).compose("stop", *bundle["stack"]["drain"])
    cloud.ship(journal.lines)
    return 0


def logs(_bundle: Mapping[str, Any], cloud: Cloud, journal: Journal) -> int:
    follow(ROOT, cloud, journal)
    return 1  # it only ends when the journal of the system does; systemd starts it again


COMMANDS = {"start": start, "stop": stop, "metric": metric, "watch": watch, "logs": logs}


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    os.umask(0o077)
    journal = Journal()
    try:
        bundle = load_bundle()
        return COMMANDS[arguments[0]](bundle, CloudOfThisMachine(bundle), journal)
    except Failed as error:
        journal.write("gave up", why=str(error))
    except FileNotFoundError as error:
        journal.write("gave up", why=f"{error.filename} is missing")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
