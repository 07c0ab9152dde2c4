"""The keys of applications in the console: shown once, kept as a digest, worthless when revoked."""

from __future__ import annotations

import re


def test_a_key_is_shown_once_with_what_to_do_with_it(console) -> None:
    answer = console.post("/keys", "/keys", tenant="acme", app="support-bot", label="for Dify")
    key = re.search(r'id="made">(berth_[\w-]+)<', answer.text)
    assert answer.status_code == 200 and key
    assert f"Authorization=Bearer%20{key[1]}" in answer.text
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://console.test/v1/traces" in answer.text
    page = console.get("/keys")
    assert key[1] not in page and "for Dify" in page and "support-bot" in page
    sender = console.services.keys.sender(key[1])
    assert sender is not None and (sender.tenant, sender.app) == ("acme", "support-bot")


def test_a_key_is_revoked(console) -> None:
    answer = console.post("/keys", "/keys", tenant="acme", app="bot")
    key = re.search(r'id="made">([^<]+)<', answer.text)
    assert key
    identifier = console.services.keys.list()[0].id
    assert console.post(f"/keys/{identifier}/revoke", "/keys").status_code == 303
    assert console.services.keys.sender(key[1]) is None
    assert ">revoked<" in console.get("/keys")
    assert console.post("/keys/unknown/revoke", "/keys").status_code == 404


def test_a_key_without_an_app_is_refused(console) -> None:
    for fields in ({"tenant": "", "app": "a"}, {"tenant": "a", "app": " "}, {"tenant": "a\x07", "app": "b"}):
        answer = console.post("/keys", "/keys", **fields)
        assert answer.status_code == 400 and 'role="alert"' in answer.text
    assert console.services.keys.list() == ()
