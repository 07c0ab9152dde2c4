"""`berth up`, `status` and `down` for a platform on this machine (``cloud: local``)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudberth.cli.console import confirm, err, out, print_json, step
from cloudberth.cli.local_state import Home, Running
from cloudberth.deployment.local import DEFAULT_PORT, LocalPlatform, is_local, load_local
from cloudberth.errors import CloudberthError, InvalidInput, Refused

DEFAULT_FILE = Path("berth.yaml")
_START, _STOP = 180.0, 45.0  # seconds that starting and stopping may take
_NEXT_PORTS = 20


class StartFailed(CloudberthError):
    """The server did not start; its last words are in the hint."""


@dataclass(frozen=True, slots=True)
class Place:
    """A platform, and the folder it keeps everything in."""

    platform: LocalPlatform
    home: Home


def place_of(file: Path, *, local: bool, data: Path | None = None) -> Place | None:
    """The platform of a file, or of ``--local``; None when the file is about a cloud.

    Without a file (berth.yaml is not there) a platform of the default name that was started here counts.
    """
    there = file.exists()
    if there and is_local(file):
        platform, beside = load_local(file), file.resolve().parent
    elif local:
        if there and file != DEFAULT_FILE:
            raise InvalidInput("this file is about a cloud", where=str(file), hint="leave out --local")
        platform, beside = LocalPlatform(), Path.cwd()
    elif not there and file == DEFAULT_FILE and Home(LocalPlatform().folder(Path.cwd())).is_ours:
        platform, beside = LocalPlatform(), Path.cwd()
    else:
        return None
    if data is not None:
        platform = replace_data(platform, data)
    return Place(platform, Home(platform.folder(beside)))


def replace_data(platform: LocalPlatform, data: Path) -> LocalPlatform:
    return platform.model_copy(update={"data": str(data.expanduser().absolute())})


# -- up


def start(place: Place, *, foreground: bool, as_json: bool) -> int:
    """Start it, unless it runs; wait until it answers, and say where it is."""
    home, platform = place.home, place.platform
    running = home.running()
    if running is not None:
        _greet(place, running, token=None, as_json=as_json, already=True)
        return 0
    if home.is_held():
        raise Refused("a server starts or ends here just now", where=str(home.folder), hint="berth status")
    _check_extras()
    _make(home.folder)
    token = _first_token(home)
    port = _port(platform, home.last())
    command, environment = _command(place, port), environment_of(platform)
    if foreground:
        if token:
            err.print(f"The administrator's token, shown this once: [bold]{token}[/bold]", soft_wrap=True)
        os.execve(sys.executable, command, environment)  # noqa: S606 (no shell is wanted)
    process = _spawn(home, command, environment)
    with step("Starting the platform"):
        running = _wait(home, process)
    _greet(place, running, token=token, as_json=as_json, already=False)
    return 0


def _check_extras() -> None:
    from cloudberth.extras import late_import

    for library in ("fastapi", "uvicorn", "jinja2", "prometheus_client", "python_multipart"):
        late_import(library, extra="server", needed_for="the local platform")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"the folder cannot be made: {error.strerror}", where=str(folder)) from None
    if not os.access(folder, os.W_OK):
        raise InvalidInput("nothing can be written there", where=str(folder), hint="another folder: --data")


def _first_token(home: Home) -> str | None:
    """The administrator's token, made and shown by this process so that it is in no log."""
    from cloudberth.server.admin import AdminToken
    from cloudberth.server.settings import ServerSettings

    return AdminToken(ServerSettings(home.folder).admin_token).ensure()


def _port(platform: LocalPlatform, last: Running | None) -> int:
    """The port that is asked for; else the one it had, 8840 or one of the next that are free."""
    if platform.port is not None:
        if not is_free(platform.host, platform.port):
            raise InvalidInput(
                f"port {platform.port} is taken", where=f"{platform.host}:{platform.port}",
                hint="another one: --port; or none, and a free one is taken",
            )  # fmt: skip
        return platform.port
    wanted = [last.port] if last else []
    wanted += range(DEFAULT_PORT, DEFAULT_PORT + _NEXT_PORTS)
    return next((port for port in wanted if is_free(platform.host, port)), 0)


def is_free(host: str, port: int) -> bool:
    from cloudberth.server.running import listen

    try:
        listen(host, port).close()
    except InvalidInput as error:
        if "in use" in error.what or "permission" in error.what.lower():
            return False
        raise
    return True


def _command(place: Place, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "cloudberth.cli", "serve", "--platform"),
        *("--host", place.platform.host, "--port", str(port), "--data", str(place.home.folder)),
        *(() if place.platform.sample else ("--no-sample",)),
    ]


def environment_of(platform: LocalPlatform) -> dict[str, str]:
    """The variables of the server: this process's, then the file's."""
    found = {**os.environ, "BERTH_KNOWLEDGE_WORKERS": str(platform.workers)}
    if platform.embedding:
        found["BERTH_KNOWLEDGE_EMBEDDING"] = platform.embedding
    return {**found, **platform.env, "PYTHONUNBUFFERED": "1"}


def _spawn(home: Home, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """In the background: a session of its own, and nothing of this terminal."""
    descriptor = os.open(home.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor,
            start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(descriptor)


def _wait(home: Home, process: subprocess.Popen[bytes]) -> Running:
    """Until the server answers. Raises StartFailed with what it said."""
    ends = time.monotonic() + _START
    while time.monotonic() < ends:
        code = process.poll()
        running = home.last()
        if code is not None:
            raise StartFailed(f"the server ended with {code}", where=str(home.log), hint=home.log_end())
        if running is not None and running.process == process.pid and answers(running, "/readyz"):
            return running
        time.sleep(0.1)
    process.terminate()
    raise StartFailed("the server does not answer", where=str(home.log), hint=home.log_end())


def answers(running: Running, path: str, seconds: float = 10.0) -> Any:
    """The JSON at a path of the server; None when it does not answer, or not with 200."""
    request = urllib.request.Request(running.address + path)  # noqa: S310 (an address of our own server)
    token = os.environ.get("BERTH_METRICS_TOKEN")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=seconds) as response:
            return json.loads(response.read())
    except (OSError, ValueError, urllib.error.URLError):
        return None


def _greet(place: Place, running: Running, *, token: str | None, as_json: bool, already: bool) -> None:
    folder = place.home.folder
    if as_json:
        print_json(
            {
                "format": 1, "name": place.platform.name, "address": running.address, "token": token,
                "process": running.process, "data": str(folder), "log": str(place.home.log),
                "started": not already,
            }
        )  # fmt: skip
        return
    said = "runs already" if already else "is up"
    out.print(f"[bold]{place.platform.name}[/bold] {said}: [bold]{running.address}[/bold]", soft_wrap=True)
    if token:
        out.print("The administrator's token, shown this once:", soft_wrap=True)
        out.print(f"    [bold]{token}[/bold]", soft_wrap=True)
    elif not already:
        err.print("[dim]sign in with the token that the first start showed; lost: berth up --new-token[/dim]")
    err.print(f"[dim]data {folder}, log {place.home.log}[/dim]", soft_wrap=True)
    err.print("[dim]berth status · berth doctor · berth down[/dim]")


def renew_token(place: Place) -> str:
    """A new administrator token; whoever is signed in stays so until their session ends."""
    from cloudberth.server.admin import AdminToken
    from cloudberth.server.settings import ServerSettings

    _make(place.home.folder)
    return AdminToken(ServerSettings(place.home.folder).admin_token).renew()


# -- status


def status(place: Place, *, as_json: bool) -> int:
    """Say whether it runs, how it is, and what it takes. Exit code 4 when it does not run or is not well."""
    running = place.home.running()
    health = answers(running, "/status.json") if running else None
    document = {
        "format": 1,
        "name": place.platform.name,
        "running": running is not None,
        "address": running.address if running else None,
        "process": running.process if running else None,
        "healthy": bool(health and health["ok"]),
        "health": health,
        "data": str(place.home.folder),
        "log": str(place.home.log),
        "bytes": disk(place.home.folder),
    }
    print_json(document) if as_json else _show(document)
    return 0 if document["healthy"] else 4


def disk(folder: Path) -> int:
    """Bytes of everything in a folder; what vanishes meanwhile does not count."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).lstat().st_size
            except OSError:
                continue
    return total


def _show(document: dict[str, Any]) -> None:
    from cloudberth.server.formats import size

    out.print(
        f"[bold]{document['name']}[/bold]  {document['data']}, {size(document['bytes'])}", soft_wrap=True
    )
    if not document["running"]:
        out.print("  does not run (`berth up`)")
        return
    health = document["health"]
    colour, said = ("green", "healthy") if document["healthy"] else ("red", "not well")
    out.print(
        f"  {document['address']}  [{colour}]{said}[/{colour}]  process {document['process']}", soft_wrap=True
    )
    if health is None:
        out.print(f"  [red]no answer[/red]; log {document['log']}", soft_wrap=True)
        return
    out.print(
        f"  {health['workers']} workers, {health['queued']} queued, {health['running']} running,"
        f" {health['dead']} given up"
    )
    for part in health["parts"]:
        sign = "[green]✓[/green]" if part["ok"] else "[red]✗[/red]"
        out.print(f"  {sign} {part['name']:<10} {part['detail']}", soft_wrap=True)
        if part["hint"] and not part["ok"]:
            out.print(f"      [cyan]{part['hint']}[/cyan]", soft_wrap=True)


# -- down


def stop(place: Place, *, delete_data: bool, yes: bool) -> int:
    """Stop it, what is under way first; its data stay unless told otherwise."""
    home = place.home
    if delete_data and home.folder.exists() and not home.is_ours:
        raise Refused(
            "no platform has ever run in this folder", where=str(home.folder), hint="look what it is"
        )
    if delete_data and home.folder.exists():
        from cloudberth.server.formats import size

        confirm(f"Delete {home.folder} with everything in it ({size(disk(home.folder))})?", yes=yes)
    running = home.running()
    if running is None and home.is_held():
        raise Refused("a server starts here just now", where=str(home.folder), hint="again in a moment")
    if running is not None:
        with step("Stopping the platform"):
            _end(home, running)
    if delete_data and home.folder.exists():
        shutil.rmtree(home.folder)
        out.print("Stopped; its data are deleted.")
    elif running is None:
        out.print("It does not run.")
    else:
        out.print(f"Stopped. Its data stay in {home.folder}.", soft_wrap=True)
    return 0


def _end(home: Home, running: Running) -> None:
    for number, patience in ((signal.SIGTERM, _STOP), (signal.SIGKILL, 10.0)):
        try:
            os.kill(running.process, number)
        except ProcessLookupError:
            return
        except PermissionError:
            raise Refused("the server belongs to another user", where=f"process {running.process}") from None
        if _until(lambda: not home.is_held(), patience):
            return
        err.print("[yellow]it does not end by itself: it is killed now[/yellow]")
    raise Refused("the server does not end", where=f"process {running.process}")


def _until(true: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if true():
            return True
        time.sleep(0.1)
    return False
