"""The console in a real browser: what people click, see and hear, in both languages and both themes."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth.tracing.store import TraceStore
from doubles.chromium import Chromium, chromium_path
from doubles.collector import Collector
from doubles.rag_spans import rag_trace
from doubles.served import Server

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(chromium_path() is None, reason="there is no Chromium on this machine"),
]
PAGES = ("/", "/traces?range=all", "/sessions", "/providers", "/providers/new/langfuse", "/keys")
SECRET = "pk-planted-0123456789-ab12"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("browser") / "data")
    with TraceStore.open(str(running.data / "traces.db")) as store:
        for number in range(60):
            store.append(rag_trace(number, failed=number % 9 == 0))
    yield running
    running.stop()


@pytest.fixture
def browser(server: Server) -> Iterator[Chromium]:
    """Somebody at the door, whose pages may complain about nothing."""
    path = chromium_path()
    assert path
    running = Chromium(path)
    running.open(f"{server.address}/")
    yield running
    complaints = [line for line in running.console if "400 (Bad Request)" not in line]
    running.close()
    assert not complaints and not running.failures, (complaints, running.failures)


@pytest.fixture
def admin(browser: Chromium, server: Server) -> Chromium:
    """The administrator, signed in with the keyboard alone."""
    ends = time.monotonic() + 60
    while not (token := re.search(r"berth-admin-[\w-]+", server.said)):
        assert time.monotonic() < ends
        time.sleep(0.05)
    browser.wait("document.activeElement.id === 'token'", 60)  # the field has the focus
    browser.call("Input.insertText", text=token[0])
    browser.press("Enter")
    browser.wait("location.pathname === '/' && document.querySelector('nav') !== null")
    return browser


def test_the_door_and_the_way_back(browser: Chromium, server: Server) -> None:
    browser.open(f"{server.address}/traces?range=7d")
    assert browser.run("location.pathname") == "/sign-in"
    assert browser.run("document.cookie.includes('berth_visit')") is False, "scripts cannot read it"
    token = re.search(r"berth-admin-[\w-]+", server.said)
    assert token
    browser.fill("#token", token[0])
    browser.click("button.primary")
    assert browser.run("location.pathname + location.search") == "/traces?range=7d"
    assert "berth_session" not in browser.run("document.cookie")
    browser.click("form[action='/sign-out'] button")
    assert browser.run("location.pathname") == "/sign-in"


def test_a_search_and_a_trace(admin: Chromium, server: Server) -> None:
    admin.open(f"{server.address}/traces?range=all")
    assert admin.run("document.querySelectorAll('table.traces tbody tr').length") == 50
    admin.fill("#f-text", "迁移")
    admin.click(".filters button.primary")
    assert admin.run("document.querySelectorAll('table.traces tbody tr').length") == 15
    query = admin.run("location.search")
    assert "text=" in query and "min_ms" not in query, "empty fields are left out of the address"
    admin.click("table.traces tbody a")
    assert admin.run("document.querySelectorAll('.waterfall .bar').length") == 6
    # A span beside the waterfall, without leaving the page.
    admin.run("window.stayed = true")
    admin.run(
        "[...document.querySelectorAll('.waterfall a')].find(a => a.innerText === 'search knowledge').click()"
    )
    admin.wait("document.querySelector('#span h2').innerText === 'search knowledge'")
    assert admin.run("window.stayed") is True
    assert "迁移分三步" in admin.text("#span") and "0.91" in admin.text("#span")
    assert "span=" in admin.run("location.search")
    assert admin.run("document.querySelector('.waterfall .chosen a').innerText") == "search knowledge"
    # The same address shows the same span.
    admin.open(admin.run("location.href"))
    assert admin.text("#span h2") == "search knowledge"


def test_spans_fold(admin: Chromium, server: Server) -> None:
    admin.open(f"{server.address}/traces/{rag_trace(1)[0].trace_id.hex()}")
    shown = "[...document.querySelectorAll('.waterfall .label a')].filter(a => a.checkVisibility()).length"
    assert admin.run(shown) == 6
    admin.click(".waterfall details details .fold", leaves=False)
    assert admin.run(shown) == 5
    admin.click(".waterfall details .fold", leaves=False)
    assert admin.run(shown) == 1
    admin.click(".waterfall details .fold", leaves=False)
    assert admin.run(shown) == 5


def test_bars_are_where_the_spans_were(admin: Chromium, server: Server) -> None:
    """The picture itself: the LLM's bar begins and ends where its times say."""
    rows = rag_trace(1)
    admin.open(f"{server.address}/traces/{rows[0].trace_id.hex()}")
    boxes = admin.run(
        "[...document.querySelectorAll('.waterfall .bar')].map(bar => {"
        " const box = bar.getBoundingClientRect(),"
        " all = bar.parentNode.getBoundingClientRect();"
        " return [(box.left - all.left) / all.width, box.width / all.width] })"
    )
    assert boxes[0] == pytest.approx([0, 1], abs=0.01)
    assert boxes[4] == pytest.approx([0.55 / 2.4, 1.6 / 2.4], abs=0.01)


def test_a_provider_is_tested_added_watched_and_removed(admin: Chromium, server: Server) -> None:
    with Collector({"authorization": f"Bearer {SECRET}"}) as collector:
        admin.open(f"{server.address}/providers/new/phoenix")
        admin.fill("#setting-endpoint", collector.url)
        admin.fill("#setting-api_key", "wrong-wrong-wrong-wrong")
        admin.click("button[data-into]", leaves=False)
        admin.wait("document.querySelector('#result').innerText.includes('The test failed.')")
        assert "HTTP 401" in admin.text("#result")
        assert admin.run("document.querySelector('#setting-api_key').value"), "what was typed stays"
        admin.fill("#setting-api_key", SECRET)
        admin.fill("#name", "Watched")
        admin.wait("!document.querySelector('button[data-into]').disabled")
        admin.click("button[data-into]", leaves=False)
        admin.wait("document.querySelector('#result').innerText.includes('The test passed.')")
        assert re.search(r"HTTP 200, \d+ ms", admin.text("#result"))
        admin.click("button.primary")
        assert admin.text("h1") == "Watched"
        assert SECRET not in admin.run("document.documentElement.outerHTML")
        admin.open(f"{server.address}/providers")
        admin.run("window.stayed = true")
        with TraceStore.open(str(server.data / "traces.db")) as store:
            store.append(rag_trace(700))
        # The exporter takes them there, and the page shows it by itself.
        sent = (
            "[...document.querySelectorAll('.live div')].find(d => d.innerText.startsWith('Sent')).innerText"
        )
        admin.wait(f"{sent}.includes('6')", seconds=30)
        assert admin.run("window.stayed") is True
        admin.click("article a")
        admin.click("button.danger")
        assert admin.run("location.pathname") == "/providers"
        assert "Watched" not in admin.text("main")


def test_a_key_is_made_and_revoked(admin: Chromium, server: Server) -> None:
    admin.open(f"{server.address}/keys")
    admin.fill("#tenant", "acme")
    admin.fill("#app", "bot")
    admin.click("form[action='/keys'] button.primary")
    key = admin.text("#made")
    assert server.send(key, b"") == 200
    admin.click("button.danger")
    assert "revoked" in admin.text("table")


@pytest.mark.parametrize("width", [1400, 900, 390])
def test_no_page_is_wider_than_the_window(admin: Chromium, server: Server, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    admin.call("Emulation.setDeviceMetricsOverride", **size)
    for page in (*PAGES, f"/traces/{rag_trace(1)[0].trace_id.hex()}"):
        admin.open(server.address + page)
        wide = admin.run("document.documentElement.scrollWidth")
        assert wide <= width, f"{page} is {wide} wide"


# The contrast of a text with what lies behind it (WCAG 2.2, 1.4.3), for every text that is shown.
CONTRAST = """(() => {
  const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const rgba = colour => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    const d = pen.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
  const over = (a, b) => a.slice(0, 3).map((v, i) => v * a[3] + b[i] * (1 - a[3])).concat(1);
  const behind = e => { const layers = [];
    for (; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((below, above) => over(above, below), [255, 255, 255, 1]); };
  const linear = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.slice(0, 3).map(linear);
    return .2126 * r + .7152 * g + .0722 * b; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility() || e.closest('svg, .skip, .hidden-label, option')) continue;
    const ground = behind(e), text = over(rgba(getComputedStyle(e).color), ground);
    const [a, b] = [light(text), light(ground)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) found.push(`${e.tagName}.${e.className} "${e.innerText}" ${ratio.toFixed(2)}`);
  }
  return found;
})()"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(admin: Chromium, server: Server, theme: str) -> None:
    admin.open(f"{server.address}/theme/{theme}?next=/")
    assert admin.run("document.documentElement.dataset.theme") == theme
    for page in (*PAGES, f"/traces/{rag_trace(9)[0].trace_id.hex()}"):
        admin.open(server.address + page)
        assert admin.run(CONTRAST) == [], page


def test_chinese_and_pictures(admin: Chromium, server: Server, tmp_path: Path) -> None:
    """The pictures are kept under the name of the test, to be looked at."""
    admin.open(f"{server.address}/language/zh?next=/")
    assert admin.text("h1") == "概览"
    assert admin.run("document.documentElement.lang") == "zh-Hans"
    for number, page in enumerate((*PAGES, f"/traces/{rag_trace(9)[0].trace_id.hex()}")):
        admin.open(server.address + page)
        file = tmp_path / f"{number}.png"
        admin.picture(file, whole=True)
        assert file.stat().st_size > 15_000, f"{page} is nearly empty"
    assert shutil.disk_usage(tmp_path).free


def test_everything_works_without_scripts(admin: Chromium, server: Server) -> None:
    admin.call("Emulation.setScriptExecutionDisabled", value=True)
    admin.open(f"{server.address}/traces?range=all&status=error")
    assert admin.run("document.querySelectorAll('table.traces tbody tr').length") == 7
    admin.click("table.traces tbody a")
    admin.click(".waterfall .leaf a")
    assert admin.text("#span h2") == "embed query"
    with Collector({"authorization": f"Bearer {SECRET}"}) as collector:
        admin.open(f"{server.address}/providers/new/phoenix")
        admin.fill("#setting-endpoint", collector.url)
        admin.fill("#setting-api_key", SECRET)
        admin.click("button[data-into]")
        assert "The test passed." in admin.text("#result")


def test_the_keyboard_reaches_everything(admin: Chromium, server: Server) -> None:
    admin.open(f"{server.address}/traces?range=all")
    seen = []
    for _ in range(50):  # a field for a time has seven stops
        admin.press("Tab")
        seen.append(admin.run("document.activeElement.id || document.activeElement.innerText.trim()"))
    assert seen[0] == "Skip to the content"
    for wanted in ("Overview", "Traces", "Providers", "f-text", "f-status", "f-range", "Filter"):
        assert wanted in seen, (wanted, seen)
    outline = admin.run("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "the focus can be seen"
