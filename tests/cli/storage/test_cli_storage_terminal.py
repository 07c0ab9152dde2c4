"""Terminals, pipes, Ctrl-C, completion, start-up: how the commands behave as programs."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bucket_on_loopback import SECRET_KEY, Bucket
from click.shell_completion import ShellComplete
from typed_commands import Berth

from cloudberth.cli.main import berth as berth_command
from cloudberth.cli.storage import COMMANDS
from cloudberth.cli.storage.progress import Progress, bar
from cloudberth.cli.storage.units import DURATION, SIZE, duration_text, shown, size_text

COMMAND = [sys.executable, "-m", "cloudberth.cli", "storage"]


def interruptible() -> None:
    """A shell in the background ignores SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def started(*arguments: str, **keywords: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stderr=subprocess.PIPE,
        preexec_fn=interruptible,
        **keywords,  # type: ignore[call-overload]
    )


def eventually(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


# -- Ctrl-C and pipes ----------------------------------------------------------------------------------------


def test_ctrl_c_aborts_the_upload_that_was_begun(bucket: Bucket, tmp_path: Path) -> None:
    running = started("cp", "-", f"{bucket.env}#large", stdin=subprocess.PIPE, cwd=tmp_path)
    assert running.stdin is not None
    running.stdin.write(bytes(30 * 1024 * 1024))
    running.stdin.flush()
    assert eventually(lambda: bool(list(bucket.store.uploads()))), "the upload has begun"
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    assert b"Traceback" not in (running.stderr.read() if running.stderr else b"")
    assert list(bucket.store.uploads()) == []
    assert bucket.keys == []


def test_ctrl_c_does_not_wait_for_the_bandwidth(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for number in range(3):
        (tmp_path / "tree" / str(number)).write_bytes(bytes(20 * 1024 * 1024))
    running = started("cp", "-r", "--bandwidth", "100K", "tree", f"{bucket.env}#t", cwd=tmp_path)
    threads = Path(f"/proc/{running.pid}/task")
    assert eventually(lambda: len(list(threads.iterdir())) > 3), "the copies have begun"
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    assert running.stderr and b"may be left" not in running.stderr.read(), "it was ended by force"
    assert list(bucket.store.uploads()) == []


def test_a_closed_pipe_ends_quietly(bucket: Bucket, tmp_path: Path) -> None:
    bucket.store.save("large", bytes(20 * 1024 * 1024))
    for arguments in (("cat", f"{bucket.env}#large"), ("cp", f"{bucket.env}#large", "-")):
        running = started(*arguments, stdout=subprocess.PIPE, cwd=tmp_path)
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(10) == bytes(10)
        running.stdout.close()
        assert running.wait(60) == 0
        assert running.stderr.read() == b""


# -- what is shown on the way --------------------------------------------------------------------------------


def on_a_terminal(arguments: list[str], folder: Path) -> str:
    """What a terminal of 100 columns gets to see."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ.update(COLUMNS="100", TERM="xterm")
        os.execv(COMMAND[0], [*COMMAND, *arguments])
    seen = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.waitpid(pid, 0)
    os.close(terminal)
    return seen.decode()


def test_progress_is_one_line_that_goes_away(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(24 * 1024 * 1024))
    seen = on_a_terminal(["cp", "--bandwidth", "16M", "file", f"{bucket.env}#x"], tmp_path)
    shown_lines = [line for line in seen.split("\r") if "copying" in line]
    assert shown_lines, seen
    assert any("%" in line and "MiB/s" in line and "left" in line for line in shown_lines), shown_lines
    assert all(len(line.removesuffix("\x1b[K")) < 100 for line in shown_lines)
    assert re.search(r"\r\x1b\[Kcopied 1 object, 24\.0 MiB in", seen)


def test_no_progress_where_there_is_no_terminal(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1024))
    result = berth("storage", "cp", "--bandwidth", "4K", "file", f"{bucket.env}#x")
    assert "\r" not in result.err
    assert berth("storage", "cp", "-q", "file", f"{bucket.env}#x").err == ""


def test_a_line_of_progress() -> None:
    progress = Progress("copying", total_bytes=1000, total_objects=4, quiet=True)
    progress.add_bytes(250)
    progress.add_object()
    line = progress.line()
    assert line.startswith(f"copying  {bar(0.25, 24)}  25 %  1/4 objects  250 B/1000 B  ")
    assert line.endswith("left")


def test_a_bar_is_as_wide_as_it_says() -> None:
    assert bar(0, 8) == " " * 8
    assert bar(1, 8) == "█" * 8
    assert bar(0.5, 8) == "████    "
    assert bar(7, 2) == "██"
    assert {len(bar(share / 97, 10)) for share in range(98)} == {10}


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1024**2 * 999, "999.0 MiB"), (1024**6, "1024.0 PiB")],
)
def test_sizes_are_read_by_people(count: int, text: str) -> None:
    assert size_text(count) == text


def test_units_go_both_ways() -> None:
    assert SIZE.convert("1.5K", None, None) == 1536
    assert SIZE.convert("10MiB", None, None) == 10 * 1024**2
    assert DURATION.convert("1.5h", None, None).total_seconds() == 5400
    assert [duration_text(seconds) for seconds in (4, 125, 3725)] == ["4 s", "2:05", "1:02:05"]
    assert shown("é 中 😀") == "é 中 😀"


# -- help and completion -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_has_no_secret_options(berth: Berth, command: str) -> None:
    result = berth("storage", command, "--help")
    assert result.code == 0
    assert result.out.startswith(f"Usage: berth storage {command}")
    assert "secret" not in result.out.partition("Options:")[2].lower()


def test_help_names_every_command(berth: Berth) -> None:
    out = berth("storage", "--help").out
    assert all(f"\n  {command} " in out for command in COMMANDS)


def test_a_misspelt_command_names_the_nearest(berth: Berth) -> None:
    assert "Did you mean 'doctor'?" in berth("storage", "docter").err


def completed(*words: str) -> list[str]:
    *before, last = words
    found = ShellComplete(berth_command, {}, "berth", "_BERTH_COMPLETE").get_completions(
        ["storage", *before], last
    )
    return [item.value for item in found]


def test_a_shell_completes_commands_options_and_stores(bucket: Bucket) -> None:
    assert completed("pre") == ["presign"]
    assert "--recursive" in completed("cp", "--rec")
    assert completed("ls", "az") == ["azblob://", "az"]


def test_a_shell_completes_keys(bucket: Bucket) -> None:
    bucket.store.save("dir with 50%/x", b"")
    bucket.store.save("dog", b"")
    assert completed("ls", f"{bucket.url}/d") == ["oci://berth-cli/dir with 50%25/", "oci://berth-cli/dog"]
    assert completed("ls", f"{bucket.url}/dir with 50%25/") == ["oci://berth-cli/dir with 50%25/x"]


def test_completion_of_a_store_that_does_not_answer_is_silent(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCI_ENDPOINT", "http://127.0.0.1:1")
    assert completed("ls", f"{bucket.url}/d") == []


# -- start-up and secrets ------------------------------------------------------------------------------------


def test_a_small_copy_loads_nothing_heavy(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    code = (
        "import sys; from cloudberth.cli.main import run; "
        f"code = run(['storage', 'cp', '-q', 'file', {f'{bucket.env}#x'!r}]); "
        "print(code, *sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    code_text, *loaded = answer.stdout.split()
    assert code_text == "0", answer.stderr
    heavy = {"rich", "yaml", "botocore", "boto3", "sqlite3", "asyncio", "requests",
             "cloudberth.pipeline", "cloudberth.deployment", "cloudberth.storage.transfer",
             "cloudberth.storage.doctor"}  # fmt: skip
    assert heavy & set(loaded) == set()


def test_no_command_shows_a_secret(berth: Berth, bucket: Bucket, tmp_path: Path) -> None:
    bucket.fill(a=b"1")
    for arguments in (
        ("ls", "-l", bucket.env), ("head", f"{bucket.env}#a"), ("du", bucket.env), ("doctor", bucket.env),
        ("cp", f"{bucket.env}#a", "here"), ("presign", f"{bucket.env}#a"), ("cat", f"{bucket.env}#nope"),
        ("rm", f"{bucket.env}#nope"), ("uploads", "--json", bucket.env),
    ):  # fmt: skip
        result = berth("storage", *arguments)
        assert SECRET_KEY not in result.out + result.err, arguments
