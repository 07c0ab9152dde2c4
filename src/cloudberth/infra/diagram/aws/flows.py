"""Who may talk to whom, from security groups.

A rule names two groups. Before they exist their ids are unknown, and a plan shows only which groups the
rule's configuration mentions, or none at all where they come out of a `locals` map. Then the rule's own words
decide: its description ("from the app machines"), name and key ("app-database").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.ports import Ports
from cloudberth.infra.plan import Resource

GROUP = "aws_security_group"
_INGRESS = "aws_vpc_security_group_ingress_rule"
_EGRESS = "aws_vpc_security_group_egress_rule"
_WORD = re.compile(r"[a-z0-9]+")
_GENERIC = {"this", "main", "default", "sg", "security", "group"}


@dataclass(frozen=True, slots=True)
class Flow:
    """What one rule lets into target: from a group, or from ranges (prefix list: from a service of AWS)."""

    target: Resource
    ports: Ports
    source: Resource | None = None
    ranges: tuple[str, ...] = ()
    prefix_list: bool = False


def words_of(group: Resource) -> frozenset[str]:
    """What the group calls itself: its resource name, else its key, else its name in the cloud."""
    for said in (group.name, str(group.key or ""), text_of(group.values, "name", "name_prefix")):
        found = {word for word in _WORD.findall(said.lower()) if word not in _GENERIC and not word.isdigit()}
        if found:
            return frozenset(found)
    return frozenset()


def flows(links: Links) -> Iterator[Flow]:
    """Everything that rules let in."""
    groups = tuple(links.of_type(GROUP))
    for rule in links.of_type(_INGRESS):
        yield from _of_rule(links, rule, groups, "referenced_security_group_id")
    for rule in links.of_type("aws_security_group_rule"):
        if rule.get("type") == "ingress":
            yield from _of_rule(links, rule, groups, "source_security_group_id")
    for group in groups:
        yield from _inline(links, group)


def ways_out(links: Links) -> tuple[Resource, ...]:
    """Groups from which a rule lets traffic out to anywhere."""
    groups = tuple(links.of_type(GROUP))
    found: dict[str, Resource] = {}
    for rule in links.of_type(_EGRESS, "aws_security_group_rule"):
        if rule.type == _EGRESS or rule.get("type") == "egress":
            ranges = _ranges(rule.values)
            owner, _ = _ends(links, rule, groups, "", outward=True)
            if owner and any(one in ("0.0.0.0/0", "::/0") for one in ranges):
                found[owner.address] = owner
    for group in groups:
        if any(one in ("0.0.0.0/0", "::/0") for block in _blocks(group, "egress") for one in _ranges(block)):
            found[group.address] = group
    return tuple(found.values())


def _of_rule(links: Links, rule: Resource, groups: Sequence[Resource], attribute: str) -> Iterator[Flow]:
    if any(one.type == "aws_eip" for one in links.named_by(rule)):
        return  # the deployment's own machines, seen from outside
    ranges = _ranges(rule.values)
    prefix_list = _is_set(rule, "prefix_list_id") or bool(rule.get("prefix_list_ids"))
    owner, other = _ends(links, rule, groups, attribute, outward=False)
    if owner is None:
        return
    if ranges or prefix_list:
        yield Flow(owner, _ports(rule.values), None, ranges, prefix_list)
    elif rule.get("self") is True:
        yield Flow(owner, _ports(rule.values), owner)
    elif other is not None:
        yield Flow(owner, _ports(rule.values), other)


def _is_set(rule: Resource, attribute: str) -> bool:
    """Whether the attribute has a value, be it known or not."""
    return bool(rule.values.get(attribute)) or rule.unknown.get(attribute) is True


def _ends(
    links: Links, rule: Resource, groups: Sequence[Resource], attribute: str, *, outward: bool
) -> tuple[Resource | None, Resource | None]:
    """The group that owns the rule, and the other group that it names."""
    owner = next(iter(links.with_identity(rule.values.get("security_group_id"), {GROUP})), None)
    other = next(iter(links.with_identity(rule.values.get(attribute), {GROUP})), None) if attribute else None
    alone = bool(_ranges(rule.values)) or _is_set(rule, "prefix_list_id")
    if owner and (other or alone):
        return owner, other
    named = [one for one in links.named_by(rule) if one.type == GROUP]
    if alone and len(named) == 1:
        return named[0], None
    candidates = (
        named if len(named) >= 2 else [*named, *_mentioned(rule, [one for one in groups if one not in named])]
    )
    if not candidates:
        return owner, other
    if alone:
        return owner or candidates[0] if named else _first_said(rule, candidates), None
    return _sorted_ends(rule, candidates, outward=outward)


def _mentioned(rule: Resource, groups: Sequence[Resource]) -> list[Resource]:
    """Groups whose words the rule's name, key or description uses, in that order of appearance."""
    said = _said(rule)
    found = [
        (min(said.index(word) for word in words_of(one) if word in said), one)
        for one in groups
        if any(word in said for word in words_of(one))
    ]
    return [one for _, one in sorted(found, key=lambda item: item[0])]


def _by_mention(rule: Resource, groups: Sequence[Resource]) -> list[Resource]:
    """The groups, those that the rule's own words mention first."""
    mentioned = _mentioned(rule, groups)
    return [*mentioned, *(one for one in groups if one not in mentioned)]


def _said(rule: Resource) -> list[str]:
    parts = (rule.name, str(rule.key or ""), text_of(rule.values, "description"))
    return [word for part in parts for word in _WORD.findall(part.lower())]


def _first_said(rule: Resource, candidates: Sequence[Resource]) -> Resource:
    return (_mentioned(rule, candidates) or list(candidates))[0]


def _sorted_ends(
    rule: Resource, candidates: list[Resource], *, outward: bool
) -> tuple[Resource | None, Resource | None]:
    """The owner and the other: the description says from or to whom, else names start with the owner."""
    description = _WORD.findall(text_of(rule.values, "description").lower())
    pivot = "to" if outward else "from"
    after = description[description.index(pivot) + 1 :] if pivot in description else []
    meant = [
        (min(after.index(word) for word in words_of(one) if word in after), index, one)
        for index, one in enumerate(candidates)
        if any(word in after for word in words_of(one))
    ]
    if meant:
        other = min(meant)[2]
        owners = _by_mention(rule, [one for one in candidates if one is not other])
        return (owners[0], other) if owners else (other, other)
    ordered = _by_mention(rule, candidates)
    return ordered[0], (ordered[1] if len(ordered) > 1 else None)


def _inline(links: Links, group: Resource) -> Iterator[Flow]:
    """Rules written inside the group: other groups that it names are those it lets in."""
    named = [one for one in links.named_by(group) if one.type == GROUP]
    for block in _blocks(group, "ingress"):
        ranges = _ranges(block)
        if ranges or block.get("prefix_list_ids"):
            yield Flow(group, _ports(block), None, ranges, bool(block.get("prefix_list_ids")))
        known = links.with_identity(block.get("security_groups"), {GROUP})
        unknown = (
            not ranges and not known and block.get("self") is not True and not block.get("prefix_list_ids")
        )
        for source in known or (named if unknown else ()):
            yield Flow(group, _ports(block), source)


def _blocks(group: Resource, name: str) -> Iterator[dict[str, Any]]:
    value = group.values.get(name)
    if isinstance(value, list | tuple):
        yield from (block for block in value if isinstance(block, dict))


def _ranges(values: Any) -> tuple[str, ...]:
    found: list[str] = []
    for name in ("cidr_ipv4", "cidr_ipv6", "cidr_blocks", "ipv6_cidr_blocks"):
        value = values.get(name)
        found += [value] if isinstance(value, str) and value else value if isinstance(value, list) else []
    return tuple(one for one in found if isinstance(one, str))


def _ports(values: Any) -> Ports:
    protocol = str(values.get("ip_protocol") or values.get("protocol") or "tcp").lower()
    first, last = values.get("from_port"), values.get("to_port")
    if protocol in ("-1", "all") or first is None:
        return Ports("any" if protocol in ("-1", "all") else protocol, None, None)
    return Ports(protocol, int(first), int(last if last is not None else first))
