"""The panel: a destination's form, its test, its state, and secrets that go in and never come out."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth.tracing.cursors import read_states
from cloudberth.tracing.providers import profiles
from doubles.collector import Collector
from doubles.rag_spans import rag_trace

SECRET = "pk-very-secret-1234567890-ab12"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector({"authorization": f"Bearer {SECRET}"}) as running:
        yield running


def filled_in(endpoint: str, **more: str) -> dict[str, str]:
    """The form of Phoenix, whose fields are an address, a key and a project."""
    return {
        "setting-endpoint": endpoint,
        "setting-api_key": SECRET,
        "setting-project": "support",
        "name": "Ours",
        "scope": "global",
        "sample": "100",
        "content": "full",
        "content_limit": "2000",
        "redact": "",
        "enabled": "1",
        **more,
    }


def add(console, endpoint: str, **more: str) -> str:
    """Add a destination through its form; its path."""
    answer = console.post("/providers/new/phoenix", "/providers/new/phoenix", **filled_in(endpoint, **more))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


@pytest.mark.parametrize("profile", profiles(), ids=lambda one: one.id)
def test_every_provider_has_a_form_with_all_its_fields(console, profile) -> None:
    page = console.get(f"/providers/new/{profile.id}")
    for field in profile.fields:
        assert f'<label for="setting-{field.name}">{html.escape(field.label)}' in page
        assert re.search(rf'<(input|select|textarea) id="setting-{field.name}"', page), field.name
        if field.secret and field.name != "headers":
            assert re.search(rf'id="setting-{field.name}"[^>]*type="password"', page), field.name
    console.client.cookies.set("berth_language", "zh")
    chinese = console.get(f"/providers/new/{profile.id}")
    assert all(html.escape(field.label_zh) in chinese for field in profile.fields)


def test_a_destination_is_added_shown_changed_and_removed(console, collector) -> None:
    path = add(
        console, collector.url, scope="app", tenant="acme", app="support-bot", sample="25", content="none"
    )
    made = console.services.destinations.list()[0]
    assert (made.name, made.scope, made.tenant, made.app) == ("Ours", "app", "acme", "support-bot")
    assert (made.sample, made.policy.content, made.enabled) == (0.25, "none", True)
    assert dict(made.settings)["project"] == "support"
    card = console.get("/providers")
    assert "Ours" in card and "acme / support-bot" in card and "25%" in card and "left out" in card
    changed = filled_in(collector.url, name="New name", redact="email\nphone", **{"setting-api_key": ""})
    changed["version"] = str(made.version)
    answer = console.post(path, path, **changed)
    assert answer.status_code == 303, answer.text
    found = console.services.destinations.list()[0]
    assert (found.name, found.policy.redact, found.scope, found.tenant) == (
        "New name",
        ("email", "phone"),
        "global",
        "",
    )
    kept = console.services.destinations.complete_settings(found.id)
    assert kept["api_key"] == SECRET, "a secret that is left empty stays"
    assert "Saved." in console.get(f"{path}?saved=1")
    assert console.post(f"{path}/delete", path).status_code == 303
    assert console.services.destinations.list() == ()
    assert console.client.get(path).status_code == 404


def test_a_secret_is_taken_away_only_by_its_box(console, collector) -> None:
    path = add(console, collector.url)
    fields = filled_in(collector.url, **{"setting-api_key": "", "remove-api_key": "1"})
    assert console.post(path, path, **fields).status_code == 303
    found = console.services.destinations.list()[0]
    assert "api_key" not in found.secrets


def test_no_page_shows_a_secret_again(console, collector) -> None:
    path = add(console, collector.url)
    console.post(f"{path}/test", path)
    for page in ("/providers", "/providers/live", path, f"{path}?saved=1", "/metrics"):
        text = console.get(page)
        assert SECRET not in text, page
    shown = console.get(path)
    assert "…ab12" in shown and re.search(r'id="setting-api_key"[^>]*>', shown)
    assert not re.search(r'id="setting-api_key"[^>]* value=', shown)


def test_a_form_with_a_mistake_comes_back_filled_in_without_the_secret(console) -> None:
    fields = filled_in("not an address", name="Mine", sample="50")
    answer = console.post("/providers/new/phoenix", "/providers/new/phoenix", **fields)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text and 'value="not an address"' in answer.text
    assert 'value="Mine"' in answer.text and 'value="50"' in answer.text
    assert SECRET not in answer.text
    assert console.services.destinations.list() == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"sample": "101"},
        {"sample": "x"},
        {"content": "some"},
        {"content_limit": "0"},
        {"redact": "everything"},
        {"scope": "tenant"},
        {"scope": "planet"},
        {"name": "x" * 101},
        {"setting-project": ""},
        {"setting-endpoint": "http://169.254.169.254/latest"},
        {"setting-endpoint": "ftp://example.com"},
    ],
)
def test_what_cannot_be_is_refused(console, wrong: dict[str, str]) -> None:
    fields = {**filled_in("http://127.0.0.1:9"), **wrong}
    if wrong == {"setting-project": ""}:
        fields["setting-project"] = "bad\x07name"
    answer = console.post("/providers/new/phoenix", "/providers/new/phoenix", **fields)
    assert answer.status_code == 400, answer.headers.get("location")
    assert 'role="alert"' in answer.text
    assert console.services.destinations.list() == ()


def test_who_changed_it_first_wins(console, collector) -> None:
    path = add(console, collector.url)
    assert console.post(path, path, **filled_in(collector.url, name="First", version="1")).status_code == 303
    late = console.post(path, path, **filled_in(collector.url, name="Second", version="1"))
    assert late.status_code == 400 and "changed this destination meanwhile" in late.text
    assert console.services.destinations.list()[0].name == "First"


def test_the_test_asks_twice_and_tells_what_was_said(console, collector) -> None:
    fields = filled_in(collector.url)
    good = console.post("/providers/new/phoenix/test", "/providers/new/phoenix", **fields)
    assert good.status_code == 200
    assert "The test passed." in good.text and re.search(r"HTTP 200, \d+ ms", good.text)
    assert [one.path for one in collector.requests][-1] == "/v1/traces"
    assert all(one.headers["authorization"] == f"Bearer {SECRET}" for one in collector.requests)
    assert SECRET not in good.text
    assert console.services.destinations.list() == (), "a test keeps nothing"


def test_a_wrong_key_is_told_in_the_servers_words_without_the_key(console, collector) -> None:
    fields = filled_in(collector.url, **{"setting-api_key": "wrong-key-0123456789"})
    collector.words = "key wrong-key-0123456789 is unknown to <b>us</b>"
    answer = console.client.post(
        "/providers/new/phoenix/test",
        data={"form_token": _token(console), **fields},
        headers={"X-Part": "1"},
    )
    assert answer.status_code == 200 and "<html" not in answer.text
    assert "The test failed." in answer.text and "the key is wrong or missing" in answer.text
    assert "HTTP 401" in answer.text and "is unknown to &lt;b&gt;us" in answer.text
    assert "wrong-key-0123456789" not in answer.text


def test_a_server_that_is_not_there_is_told(console) -> None:
    answer = console.post(
        "/providers/new/phoenix/test", "/providers/new/phoenix", **filled_in("http://127.0.0.1:9")
    )
    assert "The test failed." in answer.text and "HTTP" not in answer.text.split("The test failed.")[1][:600]


def test_the_test_of_a_stored_destination_uses_its_secret(console, collector) -> None:
    path = add(console, collector.url)
    answer = console.post(f"{path}/test", path)
    assert "The test passed." in answer.text
    unchanged = filled_in(collector.url, **{"setting-api_key": ""})
    assert "The test passed." in console.post(f"{path}/test", path, **unchanged).text


def test_on_and_off_and_the_backlog(console, collector) -> None:
    for number in range(5):
        console.services.store.append(rag_trace(number))
    path = add(console, collector.url)
    name = path.rsplit("/", 1)[1]

    def queued() -> int:
        return read_states(console.services.store.database)[name].queued

    assert queued() == 0, "a new destination gets what comes"
    assert console.post(f"{path}/backlog", path, do="send").status_code == 303
    assert queued() == 30
    assert re.search(r"<dt>Queued</dt><dd>30</dd>", console.get(path))
    assert console.post(f"{path}/backlog", path, do="skip").status_code == 303
    assert queued() == 0
    assert console.post(f"{path}/backlog", path, do="burn").status_code == 400
    console.post(f"{path}/enable", path, enabled="0")
    assert not console.services.destinations.get(name).enabled
    assert ">off<" in console.get("/providers")
    console.post(f"{path}/enable", path, enabled="1")
    assert console.services.destinations.get(name).enabled
    add(console, collector.url, backlog="1")
    assert max(one.queued for one in read_states(console.services.store.database).values()) == 30


def test_the_state_is_told_as_it_is(console, collector) -> None:
    path = add(console, collector.url)
    name = path.rsplit("/", 1)[1]
    with console.services.store.database.transaction() as connection:
        connection.run(
            "UPDATE trace_cursors SET state = 'paused', sent = 1234567, failed = 3, lost = 2, last_error = ?",
            ("401 <unauthorised>",),
        )
    page = console.get("/providers/live")
    assert "paused: credentials refused" in page and "1.2M" in page and "401 &lt;unauthorised&gt;" in page
    numbers = console.get("/metrics")
    labels = f'{{destination="{name}",provider="phoenix"}}'
    for metric in ("exported_total", "failed_total", "dropped_total"):
        assert f"trace_spans_{metric}{labels}" in numbers
    assert f"trace_spans_exported_total{labels} 1.234567e+06" in numbers


def test_projects_can_be_opened_without_telling_them_where_from(console) -> None:
    fields = {
        "setting-api_key": SECRET, "setting-space_id": "s", "setting-project": "support bot", "name": "Arize",
        "setting-endpoint": "https://otlp.arize.com", "scope": "global", "sample": "100", "content": "full",
        "content_limit": "2000",
    }  # fmt: skip
    answer = console.post("/providers/new/arize", "/providers/new/arize", **fields)
    assert answer.status_code == 303, re.findall(r'role="alert">.*', answer.text)
    link = re.search(
        r'<a class="button small" href="(https://app.arize.com/[^"]+)"([^>]*)>', console.get("/providers")
    )
    assert link and "support%20bot" in link[1] and 'rel="noopener noreferrer"' in link[2]


def test_a_destination_of_a_stranger_is_not_there(console) -> None:
    for path in ("/providers/dffff", "/providers/new/unknown"):
        assert console.client.get(path).status_code in {400, 404}


def test_secrets_are_in_no_file_of_the_server_in_clear(console, collector, capfd, caplog) -> None:
    """Planted: a provider's key, an application's key, the administrator's token, a session."""
    path = add(console, collector.url)
    made = console.post("/keys", "/keys", tenant="acme", app="bot")
    key = re.search(r'id="made">([^<]+)<', made.text)
    token = console.services.admin.renew()
    assert key
    console.post(f"{path}/test", path)
    console.client.get("/providers/zzz")
    planted = {
        "provider": SECRET,
        "key": key[1],
        "admin": token,
        "session": console.client.cookies["berth_session"],
    }
    files = [file for file in console.services.settings.data.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"traces.db", "console.sqlite", "admin-token", "traces.keys"}
    with console.services.store.database.connection() as connection:
        connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    for file in files:
        if not file.exists():
            continue
        data = file.read_bytes()
        for what, secret in planted.items():
            assert secret.encode() not in data, f"{what} in {file.name}"
    said = capfd.readouterr()
    logged = caplog.text + said.out + said.err
    for page in ("/", "/providers", path, "/keys", "/traces", "/metrics", "/readyz", "/openapi.json"):
        logged += console.get(page)
    logged += json.dumps(console.services.destinations.list()[0].shown())
    logged += repr(console.services) + str(console.services.destinations.list())
    for what, secret in planted.items():
        assert secret not in logged, what
    for file in (Path(file) for file in files if Path(file).exists()):
        assert file.stat().st_mode & 0o077 == 0 or file.parent.stat().st_mode & 0o077 == 0, file


def _token(console) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', console.get("/providers/new/phoenix"))
    assert found
    return found[1]
