"""What a picture shows, the same words on every cloud.

A cloud's own folder (`aws/`, `azurerm/`, `google/`) turns a plan into a `Picture`; `layout.py` gives every
part a place and `svg.py` writes it down. The same kind of thing stands in the same place on every cloud:

    outside     people and the Internet, above the account
    account     services without a region: name service, CDN, budget
    entry       in the region, before the network: the firewall
    gateway     on the upper border of the network
    zones       columns (zones) by rows (tiers): public, private, data
    endpoint    on the right border of the network: private ways to regional services
    region      services of the region, in a panel beside the network
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a thing does; decides icon and colour, never the place."""

    USERS = "users"
    INTERNET = "internet"
    DNS = "dns"
    CDN = "cdn"
    WAF = "waf"
    GATEWAY = "gateway"
    BALANCER = "balancer"
    NAT = "nat"
    APP = "app"
    STATEFUL = "stateful"
    MACHINE = "machine"
    CONTAINERS = "containers"
    FUNCTION = "function"
    DATABASE = "database"
    STANDBY = "standby"
    CACHE = "cache"
    SEARCH = "search"
    OBJECTS = "objects"
    FILES = "files"
    QUEUE = "queue"
    SECRETS = "secrets"
    KEYS = "keys"
    LOGS = "logs"
    ALARMS = "alarms"
    MAIL = "mail"
    BACKUP = "backup"
    BUDGET = "budget"
    ENDPOINT = "endpoint"
    OTHER = "other"


class Place(StrEnum):
    """Which part of the picture a node stands in (drawn in the module docstring)."""

    OUTSIDE = "outside"
    ACCOUNT = "account"
    ENTRY = "entry"
    GATEWAY = "gateway"
    ZONES = "zones"
    ENDPOINT = "endpoint"
    REGION = "region"


class Tier(StrEnum):
    """Rows of a network, from the Internet inwards."""

    PUBLIC = "public"
    PRIVATE = "private"
    DATA = "data"


class Traffic(StrEnum):
    """Kinds of arrows; each has its own colour and dash, explained in the legend."""

    USER = "user"
    DATA = "data"
    COPY = "copy"
    EGRESS = "egress"
    MANAGEMENT = "management"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in the picture.

    id: unique in the picture. captions: short facts (machine type, counts, storage), most important first.
    tier and zones: only for `Place.ZONES`; several mean one thing that spans them, none means every zone.
    detail: full text for the tooltip, for instance the Terraform addresses behind the node.
    """

    id: str
    role: Role
    title: str
    place: Place
    captions: tuple[str, ...] = ()
    tier: Tier | None = None
    zones: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """Traffic from one node to another. label: port and protocol. both: either side may start it."""

    source: str
    target: str
    traffic: Traffic
    label: str = ""
    both: bool = False


@dataclass(frozen=True, slots=True)
class Subnet:
    """The box of one tier in one zone, or in every zone (``""``). caption: address range."""

    tier: Tier
    zone: str
    title: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is drawn.

    network: title of the network's box, ``""`` when there is none. zones: names, in the order of the columns.
    notes: lines under the picture (what is in the plan and not drawn).
    Raises ValueError where ids repeat or an edge names a node that does not exist.
    """

    title: str
    subtitle: str = ""
    account: str = ""
    region: str = ""
    network: str = ""
    zones: tuple[str, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ids = [node.id for node in self.nodes]
        if repeated := {one for one in ids if ids.count(one) > 1}:
            raise ValueError(f"node ids repeat: {', '.join(sorted(repeated))}")
        known = set(ids)
        for edge in self.edges:
            if lost := {edge.source, edge.target} - known:
                raise ValueError(f"edge to a node that is not in the picture: {', '.join(sorted(lost))}")
            if edge.source == edge.target:
                raise ValueError(f"edge from {edge.source} to itself")

    def at(self, place: Place) -> tuple[Node, ...]:
        """Nodes of one place, in order."""
        return tuple(node for node in self.nodes if node.place is place)
