"""Which names change between two releases."""

from __future__ import annotations

from cloudberth.apps.catalog import app
from cloudberth.apps.changes import Difference, describe, environment_changes

CHANGES = environment_changes(app("dify", "1.15.0"), app("dify", "1.17.1"))
API_IMAGE = ("api", "api_websocket", "worker", "worker_beat", "migration")


def test_what_1_17_1_brings() -> None:
    assert CHANGES.services.added == ("agent_backend", "agent_ssrf_proxy", "local_sandbox")
    assert CHANGES.services.removed == ()
    assert CHANGES.secrets.added == ("agent_api_token", "agent_sandbox_token", "agent_server_secret_key")
    assert CHANGES.images.changed == {
        "langgenius/dify-api": ("1.15.0", "1.17.1"),
        "langgenius/dify-plugin-daemon": ("0.6.3-local", "0.6.10-local"),
        "langgenius/dify-web": ("1.15.0", "1.17.1"),
    }
    assert CHANGES.images.added == ("langgenius/dify-agent-backend", "langgenius/dify-agent-local-sandbox")


def test_which_variables_change() -> None:
    for service in API_IMAGE:
        assert CHANGES.variables[service] == Difference(
            added=("AGENT_BACKEND_API_TOKEN", "AGENT_BACKEND_BASE_URL")
        )
    assert CHANGES.variables["web"].changed == {"NEXT_PUBLIC_ENABLE_AGENT_V2": ("false", "true")}
    assert set(CHANGES.variables) == {*API_IMAGE, "web", "agent_backend", "local_sandbox"}
    assert "DIFY_AGENT_SERVER_SECRET_KEY" in CHANGES.variables["agent_backend"].added


def test_the_other_way_round() -> None:
    back = environment_changes(app("dify", "1.17.1"), app("dify", "1.15.0"))
    assert back.services.removed == CHANGES.services.added
    assert back.variables["api"].removed == CHANGES.variables["api"].added


def test_nothing_differs_from_itself() -> None:
    same = environment_changes(app("dify"), app("dify"))
    assert same.empty
    assert "nothing differs" in describe(same)


def test_as_text() -> None:
    text = describe(CHANGES)
    assert text.startswith("dify 1.15.0 → dify 1.17.1\n")
    assert "  ~ langgenius/dify-api: 1.15.0 → 1.17.1" in text
    assert "variables of api\n  + AGENT_BACKEND_API_TOKEN\n" in text


def test_images_with_digests_and_ports() -> None:
    older = app("dify", "1.15.0")
    service = older.services["web"].model_copy(update={"image": "registry:5000/dify/web:1@sha256:aa"})
    newer = older.model_copy(
        update={
            "services": {
                **older.services,
                "web": service.model_copy(update={"image": "registry:5000/dify/web:2@sha256:bb"}),
            }
        }
    )
    older = older.model_copy(update={"services": {**older.services, "web": service}})
    assert environment_changes(older, newer).images.changed == {
        "registry:5000/dify/web": ("1@sha256:aa", "2@sha256:bb")
    }
