"""A headless Chromium, driven over the DevTools protocol through a pipe: nothing to install beside the
browser.

Source: https://chromedevtools.github.io/devtools-protocol/ (``--remote-debugging-pipe``: commands on
descriptor 3, answers on 4, JSON with a zero byte behind each).
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 30.0
# The browser wants its pipes to be the descriptors 3 and 4.
LAUNCHER = """
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 50) for number in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def chromium_path() -> str | None:
    """The browser on this machine, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """One browser with one tab. `console` and `failures` hold what the page complained about."""

    def __init__(self, path: str, *, language: str = "en-US", width: int = 1400, height: int = 900) -> None:
        self._profile = tempfile.mkdtemp(prefix="berth-chromium-")
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        options = (
            "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run "
            f"--disable-extensions --no-proxy-server --disable-background-networking --hide-scrollbars "
            f"--lang={language} --window-size={width},{height} --user-data-dir={self._profile} "
            "--remote-debugging-pipe about:blank"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(to_browser), str(from_browser), path, *options.split()],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LANGUAGE": language, "LANG": f"{language.replace('-', '_')}.UTF-8"},
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self._events: list[dict[str, Any]] = []
        self.console: list[str] = []
        self.failures: list[str] = []
        targets = self._call("Target.getTargets", {})["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> Any:
        return self._call(method, parameters, self._session)

    def open(self, address: str) -> None:
        """Go to an address and wait until the page is there."""
        self._events.clear()
        answer = self.call("Page.navigate", url=address)
        assert "errorText" not in answer, answer["errorText"]
        self.wait_loaded(answer.get("loaderId", ""))

    def wait_loaded(self, loader: str = "") -> None:
        """Until the next page is complete; loader: which one, since the page before may still be loading."""
        ends = time.monotonic() + SECONDS
        while not self._is_loaded(loader):
            self._message(ends)

    def _is_loaded(self, loader: str) -> bool:
        came = False
        for event in self._events:
            if event["method"] == "Page.frameNavigated":
                came = came or not loader or event["params"]["frame"]["loaderId"] == loader
            elif event["method"] == "Page.loadEventFired" and came:
                return True
        return False

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; its error is ours."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(
                answer["exceptionDetails"].get("exception", {}).get("description", "script failed")
            )
        return answer["result"].get("value")

    def text(self, selector: str = "body") -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def fill(self, selector: str, value: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(value)}")

    def click(self, selector: str, *, leaves: bool = True) -> None:
        """Click; leaves: it leads to another page, which is waited for."""
        self._events.clear()
        self.run(f"document.querySelector({json.dumps(selector)}).click()")
        if leaves:
            self.wait_loaded()

    def wait(self, script: str, seconds: float = 10.0) -> None:
        """Until an expression is true."""
        ends = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < ends, f"never true: {script}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """A key of the keyboard by its name, such as Tab or Enter."""
        codes = {"Tab": 9, "Enter": 13}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call(
            "Input.dispatchKeyEvent",
            type="keyDown",
            key=key,
            code=key,
            windowsVirtualKeyCode=codes[key],
            **text,
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=codes[key])

    def picture(self, file: Path, *, whole: bool = False) -> None:
        """A screenshot as PNG; whole: also what is below the window."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(answer["data"]))

    def _call(self, method: str, parameters: dict[str, Any], session: str = "") -> Any:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        ends = time.monotonic() + SECONDS
        while True:
            answer = self._message(ends)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer.get('error')}"
                return answer["result"]

    def _message(self, ends: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, ends - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._read, 1 << 16)
            assert piece, "the browser ended"
            self._buffer += piece
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        if "method" in message:
            self._note(message)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        told = event.get("params", {})
        if event["method"] == "Page.javascriptDialogOpening":
            self._number += 1
            answer = {
                "id": self._number,
                "sessionId": event.get("sessionId"),
                "method": "Page.handleJavaScriptDialog",
                "params": {"accept": True},
            }
            os.write(self._write, json.dumps(answer).encode() + b"\0")
        elif event["method"] == "Log.entryAdded":
            self.console.append(str(told["entry"].get("text")))
        elif event["method"] == "Runtime.exceptionThrown":
            self.failures.append(json.dumps(told["exceptionDetails"])[:500])
        elif event["method"] == "Network.responseReceived" and told["response"]["status"] >= 500:
            self.failures.append(f"{told['response']['status']} {told['response']['url']}")
