"""The neutral simulated provider on a small schema, without Terraform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.infra.simulation.behaviour import Account, Behaviour
from cloudberth.infra.simulation.provider import SimulatedProvider
from cloudberth.infra.simulation.schema import Nesting, ProviderSchema
from cloudberth.infra.simulation.values import UNKNOWN, decode, encode, known


def attribute(kind: Any, *flags: str) -> dict[str, Any]:
    return {"type": kind, **dict.fromkeys(flags, True)}


SCHEMA = {
    "provider_version": "1.0.0",
    "provider": {"block": {}},
    "resource_schemas": {
        "acme_thing": {
            "block": {
                "attributes": {
                    "id": attribute("string", "computed"),
                    "name": attribute("string", "required"),
                    "size": attribute("number", "optional", "computed"),
                    "note": attribute("string", "optional"),
                    "secret": attribute("string", "optional", "write_only"),
                    "ports": attribute(["list", ["object", {"number": "number"}]], "computed"),
                },
                "block_types": {
                    "disk": {
                        "nesting_mode": "list",
                        "block": {
                            "attributes": {
                                "gb": attribute("number", "required"),
                                "device": attribute("string", "computed"),
                            }
                        },
                    },
                    "rule": {
                        "nesting_mode": "set",
                        "block": {
                            "attributes": {
                                "port": attribute("number", "required"),
                                "rule_id": attribute("string", "computed"),
                            }
                        },
                    },
                    "timeouts": {
                        "nesting_mode": "single",
                        "block": {"attributes": {"create": attribute("string", "optional")}},
                    },
                },
            }
        }
    },
    "data_source_schemas": {
        "acme_thing": {
            "block": {
                "attributes": {"name": attribute("string", "required"), "id": attribute("string", "computed")}
            }
        }
    },
    "ephemeral_resource_schemas": {
        "acme_word": {
            "block": {
                "attributes": {
                    "length": attribute("number", "optional"),
                    "word": attribute("string", "computed", "sensitive"),
                }
            }
        }
    },
}


class Acme(Behaviour):
    def force_new(self, name: str) -> frozenset[str]:
        return frozenset({"name"})

    def renewed(self, name: str, changed: frozenset[str], planned: Mapping[str, Any]) -> frozenset[str]:
        return frozenset({"ports"}) if "size" in changed else frozenset()


@pytest.fixture
def provider() -> SimulatedProvider:
    return SimulatedProvider(ProviderSchema(SCHEMA), Acme(Account()))


def config(**values: Any) -> dict[str, Any]:
    return {
        "id": None,
        "name": "n",
        "size": None,
        "note": None,
        "secret": None,
        "ports": None,
        "disk": [],
        "rule": [],
        "timeouts": None,
        **values,
    }


def created(provider: SimulatedProvider, **values: Any) -> dict[str, Any]:
    wanted = config(**values)
    planned = provider.plan("acme_thing", None, wanted, wanted).state
    state = provider.apply("acme_thing", None, planned, wanted)
    assert state is not None
    return state


def test_a_plan_marks_what_is_computed(provider: SimulatedProvider) -> None:
    wanted = config(size=3, secret="hush", disk=[{"gb": 1, "device": None}])
    planned = provider.plan("acme_thing", None, wanted, wanted)
    assert planned.state == config(
        id=UNKNOWN, size=3, ports=UNKNOWN, secret=None, disk=[{"gb": 1, "device": UNKNOWN}]
    )
    assert planned.replace == ()


def test_an_apply_fills_every_gap_and_keeps_the_rest(provider: SimulatedProvider) -> None:
    state = created(provider, size=3, disk=[{"gb": 1, "device": None}], rule=[{"port": 1, "rule_id": None}])
    assert known(state)
    assert (state["name"], state["size"], state["note"]) == ("n", 3, None)
    assert state["disk"][0]["gb"] == 1
    assert state["disk"][0]["device"]
    assert state["rule"][0]["rule_id"]


def test_write_only_values_are_dropped_and_remembered_as_secret(provider: SimulatedProvider) -> None:
    state = created(provider, secret="a-long-secret")
    assert state["secret"] is None
    assert provider.account.secrets == {"a-long-secret"}


def test_identifiers_depend_on_the_content_alone() -> None:
    first, second = (
        created(SimulatedProvider(ProviderSchema(SCHEMA), Acme(Account())), note="x") for _ in range(2)
    )
    assert first == second


def test_equal_things_are_two_things(provider: SimulatedProvider) -> None:
    assert created(provider)["id"] != created(provider)["id"]


def test_nothing_changes_without_a_reason(provider: SimulatedProvider) -> None:
    state = created(provider, disk=[{"gb": 1, "device": None}], rule=[{"port": 1, "rule_id": None}])
    assert provider.plan("acme_thing", state, state, config()).state == state


def test_a_change_in_place_renews_what_hangs_on_it(provider: SimulatedProvider) -> None:
    state = created(provider, size=3)
    planned = provider.plan("acme_thing", state, {**state, "size": 4}, config(size=4))
    assert planned.replace == ()
    assert planned.state == {**state, "size": 4, "ports": UNKNOWN}
    other = provider.plan("acme_thing", state, {**state, "note": "x"}, config(note="x"))
    assert other.state == {**state, "note": "x"}


def test_a_new_block_in_an_old_object(provider: SimulatedProvider) -> None:
    state = created(provider, disk=[{"gb": 1, "device": None}], rule=[{"port": 1, "rule_id": None}])
    proposed = {
        **state,
        "disk": [*state["disk"], {"gb": 2, "device": None}],
        "rule": [*state["rule"], {"port": 2, "rule_id": None}],
    }
    planned = provider.plan("acme_thing", state, proposed, config()).state
    assert planned is not None
    assert planned["disk"] == [state["disk"][0], {"gb": 2, "device": UNKNOWN}]
    assert planned["rule"] == [state["rule"][0], {"port": 2, "rule_id": UNKNOWN}]
    after = provider.apply("acme_thing", state, planned, config())
    assert after is not None
    assert after["id"] == state["id"]
    assert known(after)


def test_what_forces_a_new_one(provider: SimulatedProvider) -> None:
    state = created(provider)
    assert provider.plan("acme_thing", state, {**state, "name": "m"}, config(name="m")).replace == ("name",)


def test_destruction(provider: SimulatedProvider) -> None:
    state = created(provider)
    assert provider.plan("acme_thing", state, None, None).state is None
    assert provider.apply("acme_thing", state, None, None) is None
    assert provider.account.objects == {}


def test_a_read_only_argument_is_refused_with_its_place(provider: SimulatedProvider) -> None:
    found = provider.validate_resource("acme_thing", config(id="x", disk=[{"gb": 1, "device": "/dev/x"}]))
    assert [complaint.path for complaint in found] == [("id",), ("disk", 0, "device")]


def test_an_import_has_all_computed_attributes(provider: SimulatedProvider) -> None:
    state = provider.import_state("acme_thing", "t-1")
    assert state["id"] == "t-1"
    assert state["ports"] == []
    assert state["name"] is None


def test_a_data_source_finds_what_exists(provider: SimulatedProvider) -> None:
    thing = created(provider, name="front")
    assert provider.read_data("acme_thing", {"name": "front", "id": None})["id"] == thing["id"]
    assert provider.read_data("acme_thing", {"name": "other", "id": None})["id"] != thing["id"]


def test_ephemeral_values_are_secrets(provider: SimulatedProvider) -> None:
    word = provider.open("acme_word", {"length": None, "word": None})["word"]
    assert word
    assert word in provider.account.secrets


def test_an_empty_block_by_nesting() -> None:
    empty = ProviderSchema(SCHEMA).resource("acme_thing").empty()
    assert (empty["disk"], empty["rule"], empty["timeouts"]) == ([], [], None)
    assert Nesting.SINGLE.value == 1


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | st.text()
    | st.just(UNKNOWN),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(VALUES)
def test_values_survive_the_wire(value: Any) -> None:
    assert decode(encode(value)) == value


def test_refined_unknowns_are_unknown() -> None:
    """Terraform ≥ 1.6 may say more about an unknown value (extension 12: here, that it is not null)."""
    assert decode(b"\xc7\x03\x0c\x81\x01\xc2") is UNKNOWN


def test_other_extensions_are_an_error() -> None:
    with pytest.raises(ValueError, match="extension 5"):
        decode(b"\xd4\x05\x00")
