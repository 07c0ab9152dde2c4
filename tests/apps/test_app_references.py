"""What a reference may name, from where a service can be reached, and what a user's text means."""

from __future__ import annotations

import pytest
from app_cases import dify
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.apps.references import address, bind, from_user
from cloudberth.environment.template import parse, resolve
from cloudberth.errors import InvalidInput

APP, _ = dify()


def test_services_on_the_same_machine_are_called_by_name() -> None:
    assert address(APP, "api", "app") == "api"
    assert address(APP, "api", "stateful") == "api"
    assert address(APP, "plugin_daemon", "stateful") == "plugin_daemon"


def test_services_on_the_other_machine_are_called_by_its_name() -> None:
    assert address(APP, "plugin_daemon", "app") == "${stateful.host}"


@pytest.mark.parametrize(
    ("name", "group", "what"),
    [
        ("worker", "stateful", "worker runs on the app machines"),
        ("migration", "app", "one-shot"),
        ("plugin_demon", "app", "no service 'plugin_demon'"),
    ],
)
def test_what_cannot_be_called_is_refused(name: str, group: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        address(APP, name, group, "services.x")  # type: ignore[arg-type]


def test_settings_may_hold_secrets() -> None:
    text = bind("key=${setting.key}!", APP, "app", {"key": "a${secret.secret_key}b"})
    assert resolve(text, {}, lambda name: f"<{name}>") == "key=a<secret_key>b!"


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("${database.hots}", r"\$\{database.hots\} does not exist", "database.host"),
        ("${secret.sandbox_key}", "does not exist", "secret.sandbox_api_key"),
        ("${setting.pool}", "does not exist", ""),
        ("${nonsense}", "does not exist", ""),
        ("${a b}", "starts no reference", ""),
    ],
)
def test_what_does_not_exist_is_refused_with_a_hint(text: str, what: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=what) as caught:
        bind(text, APP, "app", {"pool_size": "1"}, "services.api.env.X")
    assert caught.value.where == "services.api.env.X"
    assert hint in caught.value.hint


def test_secrets_of_the_store_are_references() -> None:
    template = from_user("secret:prod/openai-key")
    (reference,) = parse(template)
    assert reference.secret.startswith("external_prod_openai_key_")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${HOME} costs $5", "${HOME} costs $5"),
        ("${database.host}:${database.port}", "db:5432"),
        ("$host ${X}${name}", "$host ${X}dify"),
        ("100% {x} %{y}", "100% {x} %{y}"),
    ],
)
def test_a_users_text_means_what_it_says(text: str, value: str) -> None:
    facts = {"database": {"host": "db", "port": "5432"}, "name": "dify"}
    assert resolve(from_user(text), facts, lambda name: "") == value


@given(st.text(alphabet=st.sampled_from("$${}AZ%| ."), max_size=20))
def test_text_without_lower_case_is_always_text(text: str) -> None:
    assert resolve(from_user(text), {}, lambda name: "") == text
