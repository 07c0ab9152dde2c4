"""Knowledge in a real browser: files are dropped and chosen, indexed before one's eyes, found and cited.

The embedder is the one that comes with berth, the workers are processes of their own: what a newcomer has.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from doubles.chromium import Chromium, chromium_path
from doubles.served import Server

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(chromium_path() is None, reason="there is no Chromium on this machine"),
]
ENGLISH = "# Harbour rules\n\nShips wait at the outer buoy until the pilot comes aboard.\n"
CHINESE = "# 图书馆规定\n\n读者每次最多可以借阅十本图书，期限为三十天。\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("knowledge-browser") / "data", "--no-exporter")
    yield running
    running.stop()


@pytest.fixture
def admin(server: Server) -> Iterator[Chromium]:
    """The administrator, whose pages may complain about nothing."""
    path = chromium_path()
    assert path
    running = Chromium(path, width=1280)
    running.open(f"{server.address}/sign-in")
    ends = time.monotonic() + 10
    while not (token := re.search(r"berth-admin-[\w-]+", server.said)):
        assert time.monotonic() < ends
        time.sleep(0.05)
    running.fill("#token", token[0])
    running.click("button.primary")
    yield running
    complaints = [line for line in running.console if "400 (Bad Request)" not in line]
    running.close()
    assert not complaints and not running.failures, (complaints, running.failures)


def made(admin: Chromium, server: Server, name: str) -> str:
    """The address of a new dataset."""
    admin.open(f"{server.address}/knowledge")
    admin.fill("#name", name)
    admin.click("form.card button.primary")
    return str(admin.run("location.origin + location.pathname"))


def drop(admin: Chromium, name: str, text: str) -> None:
    """A file from another window, let go over the page."""
    admin.run(
        "(() => { const data = new DataTransfer();"
        f" data.items.add(new File([{json.dumps(text)}], {json.dumps(name)}, {{type: 'text/markdown'}}));"
        " document.querySelector('.drop').dispatchEvent("
        " new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})); })()"
    )


def choose(admin: Chromium, *files: Path) -> None:
    found = admin.call("Runtime.evaluate", expression="document.querySelector('#file')")["result"]["objectId"]
    admin.call("DOM.setFileInputFiles", files=[str(file) for file in files], objectId=found)


def ready(count: int) -> str:
    return f"document.querySelectorAll('#documents .badge.good').length === {count}"


def test_two_documents_go_in_and_come_out_with_their_sources(admin, server, tmp_path) -> None:
    base = made(admin, server, "Acceptance")
    admin.run("window.stayed = true")
    drop(admin, "图书馆.md", CHINESE)
    admin.wait("document.querySelector('.uploads li progress')?.value === 1")
    file = tmp_path / "harbour.md"
    file.write_text(ENGLISH, encoding="utf-8")
    choose(admin, file)
    admin.click("form[data-upload] button.primary", leaves=False)
    admin.wait("document.querySelectorAll('.uploads .good-text').length === 2")
    # Indexed by a worker, seen without loading the page again.
    admin.wait(ready(2), seconds=90)
    assert admin.run("window.stayed") is True
    assert "图书馆.md" in admin.text("#documents")
    for question, name, says in (
        ("Where do vessels stop before they come in?", "harbour.md", "outer buoy"),
        ("一次能借几本书", "图书馆.md", "十本"),
        ("How many books may a reader borrow?", "图书馆.md", "三十天"),
    ):
        admin.open(f"{base}/search")
        admin.fill("#q", question)
        admin.click("button[name=do]")
        assert name in admin.text(".result header") and says in admin.text(".result .passage"), question
        bars = admin.run("[...document.querySelectorAll('.result .bar')].map(b => b.getBBox().width)")
        assert bars and max(bars) >= 40, "scores are drawn"
        assert admin.run("document.querySelector('.cite').getAttribute('href')").startswith("#source-")
        admin.wait("document.querySelectorAll('.steps-list .leaf').length >= 1")
    admin.open(f"{base}/search?q=outer+buoys")
    assert "outer" in admin.text("mark"), "what was asked for is marked"
    for width in (1280, 390):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        admin.call("Emulation.setDeviceMetricsOverride", **size)
        for page in (base, f"{base}/search?q=buoy&do=answer", f"{base}/settings", f"{base}/keys"):
            admin.open(page)
            assert admin.run("document.documentElement.scrollWidth") <= width, (page, width)
    admin.picture(tmp_path / "keys.png", whole=True)
    # On a telephone every document is there whole, with its buttons.
    admin.open(base)
    ends = "[...document.querySelectorAll('#documents td, #documents button')]"
    assert admin.run(f"Math.max(...{ends}.map(one => one.getBoundingClientRect().right))") <= 390
    assert admin.run("document.querySelector('#documents .scroll').scrollWidth") <= 390
    assert admin.run("document.querySelectorAll('#documents button').length") == 4
    admin.picture(tmp_path / "documents.png", whole=True)


def test_a_refused_file_says_why_and_a_preview_keeps_nothing(admin, server, tmp_path) -> None:
    made(admin, server, "Refusals")
    drop(admin, "empty.md", "")
    admin.wait("document.querySelector('.uploads .bad-text') !== null")
    assert "there is nothing in it" in admin.text(".uploads")
    file = tmp_path / "seen.md"
    file.write_text(ENGLISH, encoding="utf-8")
    choose(admin, file)
    admin.click("button[data-file-into]", leaves=False)
    admin.wait("document.querySelectorAll('#preview .chunk').length >= 1", seconds=30)
    assert "outer buoy" in admin.text("#preview")
    assert "There is no document yet." in admin.text("#documents")


def test_it_works_without_scripts(admin, server, tmp_path) -> None:
    base = made(admin, server, "Plain")
    admin.call("Emulation.setScriptExecutionDisabled", value=True)
    admin.open(base)
    file = tmp_path / "plain.md"
    file.write_text(ENGLISH, encoding="utf-8")
    choose(admin, file)
    admin.click("form[data-upload] button.primary")
    assert "plain.md" in admin.text("#documents")
