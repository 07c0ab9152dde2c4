"""Every rule: one plan it must report, one it must not; and what holds for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import finding_cases_azurerm_data
import finding_cases_azurerm_machines
import finding_cases_azurerm_operation
import finding_cases_azurerm_ways
import finding_cases_cdn
import finding_cases_changes
import finding_cases_containers
import finding_cases_cost
import finding_cases_data
import finding_cases_firewall
import finding_cases_google_data
import finding_cases_google_machines
import finding_cases_google_operation
import finding_cases_google_ways
import finding_cases_identity
import finding_cases_machines
import finding_cases_network
import finding_cases_operation
import finding_cases_storage
import pytest
from finding_plans import CASES, Sample, id_of, key_of
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudberth.findings.review import catalogue, review
from cloudberth.findings.rules import rules
from thoroughness import examples

TABLES = (
    finding_cases_azurerm_data,
    finding_cases_azurerm_machines,
    finding_cases_azurerm_operation,
    finding_cases_azurerm_ways,
    finding_cases_google_data,
    finding_cases_google_machines,
    finding_cases_google_operation,
    finding_cases_google_ways,
    finding_cases_cdn,
    finding_cases_changes,
    finding_cases_containers,
    finding_cases_cost,
    finding_cases_data,
    finding_cases_firewall,
    finding_cases_identity,
    finding_cases_machines,
    finding_cases_network,
    finding_cases_operation,
    finding_cases_storage,
)
# Two functions of one cloud for one id share a table.
RULES = list(dict.fromkeys(key_of(rule.info.id, rule.info.provider) for rule in rules()))
# Rules that ask whether a resource is there (or belongs to another, by the references of the configuration):
# they may speak about resources of which no attribute is known. Every other rule must be silent then.
BY_EXISTENCE = {
    "alarms.no-recipient",
    "balancer.firewall-not-logged",
    "cost.idle-address",
    "database.cluster-single-instance",
    "network.data-in-public-subnet",
    "network.default-group-usable",
    "network.flow-logs-off",
    "storage.public-access-guard-missing",
    "storage.tls-not-required",
    "storage.unfinished-uploads-kept",
    "storage.versioning-off",
    "storage.volume-without-backup",
    "alarms.none",
    "changes.address-replaced",
    "changes.data-deleted",
    "changes.data-replaced",
    "changes.network-replaced",
    "compute.launch-configuration",
    "compute.singleton-on-spot",
    "cost.nat-per-zone",
    "cost.no-budget",
    "cost.object-store-through-nat",
    "identity.long-lived-key",
    "secrets.generated-into-state",
    "secrets.value-in-state",
    "azurerm:alarms.none",
    "azurerm:balancer.access-logs-off",
    "azurerm:cdn.access-logs-off",
    "azurerm:cdn.no-waf",
    "azurerm:changes.address-replaced",
    "azurerm:changes.data-deleted",
    "azurerm:changes.data-replaced",
    "azurerm:changes.network-replaced",
    "azurerm:changes.protection-removed",
    "azurerm:cost.idle-address",
    "azurerm:cost.no-budget",
    "azurerm:cost.object-store-through-nat",
    "azurerm:database.deletion-protection-off",
    "azurerm:database.logs-not-exported",
    "azurerm:network.flow-logs-off",
    "azurerm:secrets.value-in-state",
    "azurerm:storage.force-destroy",
    "azurerm:storage.volume-without-backup",
    "google:alarms.none",
    "google:changes.address-replaced",
    "google:changes.data-deleted",
    "google:changes.data-replaced",
    "google:changes.network-replaced",
    "google:cost.idle-address",
    "google:cost.no-budget",
    "google:identity.long-lived-key",
    "google:secrets.value-in-state",
    "google:storage.volume-without-backup",
}


def reported(sample: Sample) -> Counter[str]:
    return Counter(finding.id for finding in review(sample.plan, sample.size, stack=sample.stack))


def test_there_are_tables_for_all_rules_and_no_others() -> None:
    assert TABLES
    assert set(CASES) == set(RULES)
    assert all(case.reported and case.silent for case in CASES.values())


@pytest.mark.parametrize("rule", RULES)
def test_rule_reports(rule: str) -> None:
    for number, sample in enumerate(CASES[rule].reported):
        assert reported(sample)[id_of(rule)], f"plan {number} should be reported"


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_silent(rule: str) -> None:
    for number, sample in enumerate(CASES[rule].silent):
        assert not reported(sample)[id_of(rule)], f"plan {number} should not be reported"


class Everything(dict[str, Any]):
    """An ``after_unknown`` tree in which every attribute is unknown."""

    def get(self, name: object, default: object = None) -> Any:
        return True


@pytest.mark.parametrize("rule", sorted(set(RULES) - BY_EXISTENCE))
def test_what_is_not_known_is_never_reported(rule: str) -> None:
    for sample in CASES[rule].reported:
        blank = [replace(r, values={}, before={}, unknown=Everything()) for r in sample.plan.resources]
        plan = replace(sample.plan, resources=tuple(blank), variables={})
        findings = review(plan, sample.size)
        assert id_of(rule) not in {finding.id for finding in findings}


@pytest.mark.parametrize("rule", sorted(BY_EXISTENCE))
def test_rules_by_existence_need_no_values(rule: str) -> None:
    """The list above holds no rule that does not belong there."""
    assert any(_speaks_without_values(rule, sample) for sample in CASES[rule].reported)


def _speaks_without_values(rule: str, sample: Sample) -> bool:
    blank = [replace(r, values={}, before={}, unknown=Everything()) for r in sample.plan.resources]
    return any(f.id == id_of(rule) for f in review(replace(sample.plan, resources=tuple(blank)), sample.size))


def samples() -> Iterator[Sample]:
    for case in CASES.values():
        yield from (*case.reported, *case.silent)


def test_a_size_only_changes_what_the_rule_says() -> None:
    """Findings of a size have the severity that the catalogue gives that size."""
    by_id = {info.id: info for info in catalogue()}
    for sample in list(samples())[:: examples(1, 6)]:
        for size in ("small", "medium", "large", None):
            for finding in review(sample.plan, size, stack=sample.stack):
                assert finding.severity is by_id[finding.id].severity_at(size)


ODD = st.sampled_from(
    [None, True, False, -1, 0, 1.5, "", "x", "*", "{", "[1]", [], [None], ["a"], {}, {"a": 1}, [[]], [{}]]
)
ALL = list(samples())


def disturbed(data: st.DataObject, value: Any) -> Any:
    """The value with odd ones put in its place, or somewhere inside it."""
    choice = data.draw(st.integers(0, 4))
    if choice == 0:
        return data.draw(ODD)
    if isinstance(value, dict):
        return {name: disturbed(data, child) for name, child in value.items()}
    if isinstance(value, list):
        return [disturbed(data, child) for child in value]
    return value


@settings(max_examples=examples(400, 100))
@given(data=st.data())
def test_odd_values_never_break_a_review(data: st.DataObject) -> None:
    """Whatever stands in an attribute, also of a type that no provider would send."""
    sample = data.draw(st.sampled_from(ALL))
    resources = [
        replace(
            resource,
            values={name: disturbed(data, value) for name, value in {"tags": {}, **resource.values}.items()},
            before={name: disturbed(data, value) for name, value in resource.before.items()},
            unknown={name: disturbed(data, True) for name in (*resource.unknown, *resource.values)[:3]},
        )
        for resource in sample.plan.resources
    ]
    review(replace(sample.plan, resources=tuple(resources)), sample.size, stack=sample.stack)
