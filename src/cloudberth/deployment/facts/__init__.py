"""What a cloud has: regions, zones, machines, limits. Read from ``<cloud>.yaml``, the same interface for
every cloud."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from cloudberth.deployment.model import Database

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
GIB = 2**30


def read_data(package: str, file: str) -> Any:
    """A YAML data file that ships with a package."""
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - the safe loader, in C where it exists


@dataclass(frozen=True, slots=True)
class Machine:
    """A kind of virtual machine. architecture: ``arm64`` or ``x86_64``."""

    type: str
    vcpus: int
    memory_gib: float
    architecture: str


@dataclass(frozen=True, slots=True)
class DatabaseClass:
    """A kind of database server. max_connections: PostgreSQL's default limit, on the safe side."""

    type: str
    vcpus: int
    memory_gib: float
    architecture: str
    max_connections: int


@dataclass(frozen=True, slots=True)
class CacheClass:
    """A kind of cache node. memory_gib: for data."""

    type: str
    memory_gib: float


@dataclass(frozen=True, slots=True)
class Tier:
    """A cheaper storage class. order: position in the waterfall, 0 is the warmest.

    earliest_day: first day on which a rule may move an object there. stay_days: days that are billed at
    least. readable: whether an object can be read without being restored first.
    """

    name: str
    order: int
    earliest_day: int
    stay_days: int
    readable: bool


@dataclass(frozen=True, slots=True)
class VectorStore:
    """One of Dify's vector stores. variables: all its names; required: those it cannot be reached without."""

    name: str
    required: tuple[str, ...]
    variables: tuple[str, ...]


class Facts:
    """The facts of one cloud. Unknown names give None; nothing here asks the cloud."""

    def __init__(self, cloud: str, data: Mapping[str, Any]) -> None:
        self.cloud = cloud
        self._data = data
        self.machines = _machines(data["machines"])
        self._database = data["database"]
        self.database_classes = self._database_classes()
        self.cache_classes = {
            name: CacheClass(name, float(gib)) for name, gib in data["cache"]["nodes"].items()
        }
        self.tiers = {
            name: Tier(name, order, tier["earliest_day"], tier["stay_days"], tier["readable"])
            for order, (name, tier) in enumerate(data["storage"]["tiers"].items())
        }

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(self._data["regions"])

    def region_zones(self, region: str) -> int | None:
        """Zones a new account can use; None: no such region."""
        found = self._data["regions"].get(region)
        return int(found["zones"]) if found else None

    def region_place(self, region: str) -> str:
        """Where the region is, for people; empty: no such region."""
        found = self._data["regions"].get(region)
        return str(found["place"]) if found else ""

    def other_region(self, region: str) -> str | None:
        """The separate offering that a region belongs to (needs another kind of account)."""
        other: str | None = self._data["other_regions"].get(region)
        return other

    @property
    def retention_days(self) -> tuple[int, ...]:
        """Days that log groups accept, rising; where any number is accepted, those that other clouds know."""
        return tuple(self._data["retention_days"])

    def kept_days(self, wanted: int) -> int | None:
        """How long logs are really kept: the next number that the cloud accepts; None beyond the longest."""
        shortest, longest = self._data.get("retention_any") or (0, 0)
        if wanted <= longest:
            return max(wanted, shortest)
        return next((days for days in self.retention_days if days >= wanted), None)

    @property
    def prefix_lengths(self) -> tuple[int, int]:
        """Shortest and longest prefix of a network."""
        return self._data["network"]["shortest_prefix"], self._data["network"]["longest_prefix"]

    @property
    def longest_subnet_prefix(self) -> int:
        return int(self._data["network"]["longest_subnet_prefix"])

    @property
    def subnet_bits(self) -> int:
        """Bits by which a subnet's prefix is longer than the network's."""
        return int(self._data["network"]["subnet_bits"])

    def fewest_subnets(self, kind: str) -> int:
        """How many ``public_subnets``, ``private_subnets`` or ``data_subnets`` an existing network must name:
        where a subnet lies in one zone, at least two."""
        fewest: int = self._data["network"]["fewest_subnets"][kind]
        return fewest

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Services that have interface endpoints."""
        return tuple(self._data["endpoints"])

    @property
    def endpoints_without_nat(self) -> tuple[str, ...]:
        """Endpoints that the machines need when there is no NAT gateway."""
        return tuple(self._data["endpoints_without_nat"])

    def machine(self, type: str) -> Machine | None:
        return self.machines.get(type)

    def database_class(self, type: str) -> DatabaseClass | None:
        """A class with its own memory; None for the serverless one, whose memory follows its capacity."""
        return self.database_classes.get(type)

    @property
    def serverless_class(self) -> str | None:
        """The class that aurora runs on; None where there is no such engine."""
        found: str | None = self._database.get("serverless")
        return found

    @property
    def engines(self) -> tuple[str, ...]:
        """Values of database.engine that this cloud serves."""
        return tuple(self._database["versions"])

    def database_versions(self, engine: str) -> tuple[str, ...]:
        """Major versions of an engine."""
        return tuple(self._database["versions"][engine])

    @property
    def minor_versions(self) -> bool:
        """Whether a database can be held at an exact release (16.8)."""
        return bool(self._database["minor_versions"])

    @property
    def capacity_step(self) -> float:
        return float(self._database["capacity_step"])

    def max_connections(self, memory_gib: float) -> int:
        """PostgreSQL's default max_connections on a server with this much (nominal) memory."""
        rule = self._database["connections"]
        if "steps" in rule:  # [from so many GiB on, connections]
            return max(int(most) for gib, most in rule["steps"] if memory_gib >= gib)
        usable = max(memory_gib * rule["usable_share"] - rule["reserved_gib"], 0)
        return min(int(usable * GIB / rule["bytes_each"]), int(rule["most"]))

    def serverless_max_connections(self, min_capacity: float, max_capacity: float) -> int:
        """The same for a serverless database: it follows the largest capacity, less when it may shrink to
        nearly 0."""
        limit = self.max_connections(max_capacity * self._database["gib_per_capacity_unit"])
        ceiling = self._database["connections"]["most_when_scaling_to_half"]
        return min(limit, ceiling) if min_capacity <= self.capacity_step else limit

    def database_connections(self, database: Database) -> int:
        """PostgreSQL's default max_connections of a deployment's database; of the smallest class if it is
        unknown."""
        if database.engine == "aurora":
            return self.serverless_max_connections(database.min_capacity, database.max_capacity)
        known = self.database_class(database.machine_type)
        return (
            known.max_connections if known else min(c.max_connections for c in self.database_classes.values())
        )

    def cache_class(self, type: str) -> CacheClass | None:
        return self.cache_classes.get(type)

    @property
    def cache_databases(self) -> int:
        """Logical databases of a cache. Where there is one alone, key prefixes keep its users apart."""
        return int(self._data["cache"].get("databases", 16))

    @property
    def cache_versions(self) -> tuple[str, ...]:
        return tuple(self._data["cache"]["versions"])

    @property
    def storage_types(self) -> tuple[str, ...]:
        """Values of storage.type that this cloud serves."""
        return tuple(self._data["storage"]["types"])

    @property
    def tag_limits(self) -> tuple[int, int, str]:
        """Longest key, longest value, reserved key prefix."""
        limits = self._data["tags"]
        return limits["key_length"], limits["value_length"], limits["reserved_prefix"]

    @property
    def refused_name(self) -> tuple[str, str]:
        """Regular expression of names that the cloud refuses although they look right, and why."""
        refused = self._data.get("refused_name", {"pattern": r"(?!)", "why": ""})
        return refused["pattern"], refused["why"]

    @property
    def allowed_ranges(self) -> int:
        """Most address ranges that access.allowed_cidrs can hold."""
        return int(self._data.get("allowed_ranges", 100))

    @property
    def growth_factor(self) -> float:
        """Least ratio of a database's largest to its first storage."""
        return float(self._data.get("growth_factor", 1))

    def pattern(self, kind: str) -> str:
        """Regular expression of an id: account, certificate, image, network, subnet, zone."""
        return str(self._data["patterns"][kind])

    def can_be_secret(self, identifier: str) -> bool:
        """Whether the secret store can hold an entry of this name; a cloud without a pattern takes any."""
        pattern = self._data["patterns"].get("secret")
        return pattern is None or re.match(pattern, identifier) is not None

    def example(self, kind: str) -> str:
        """A value as people meet it: the ids of `pattern`, and machine, database, cache, regions."""
        return str(self._data["examples"][kind])

    def _database_classes(self) -> dict[str, DatabaseClass]:
        found = {
            name: DatabaseClass(name, vcpus, float(gib), architecture, self.max_connections(gib))
            for name, (vcpus, gib, architecture) in self._database.get("classes", {}).items()
        }
        for family, sizes in self._database.get("families", {}).items():
            for size in sizes:
                machine = self.machines[f"{family}.{size}"]
                name = f"db.{machine.type}"
                found[name] = DatabaseClass(
                    name,
                    machine.vcpus,
                    machine.memory_gib,
                    machine.architecture,
                    self.max_connections(machine.memory_gib),
                )
        return found


def _machines(families: Mapping[str, Any]) -> dict[str, Machine]:
    found = {}
    for family, facts_ in families.items():
        for size, shape in facts_["sizes"].items():
            vcpus, memory = shape if isinstance(shape, list) else (shape, shape * facts_["gib_per_vcpu"])
            name = f"{family}{facts_.get('joint', '.')}{size}"
            found[name] = Machine(name, vcpus, float(memory), facts_["architecture"])
    return found


@cache
def facts(cloud: str) -> Facts:
    """The facts of a cloud by its name in `Deployment.cloud`."""
    return Facts(cloud, read_data(__name__, f"{cloud}.yaml"))


@cache
def clouds() -> tuple[str, ...]:
    """Every cloud that a deployment can be on, in alphabetic order: those with a file of size presets."""
    files = resources.files("cloudberth.deployment.sizes").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


@cache
def vector_stores() -> Mapping[str, VectorStore]:
    """Dify's vector stores by name (VECTOR_STORE)."""
    data = read_data(__name__, "vector_stores.yaml")
    return {
        name: VectorStore(name, tuple(store["required"]), tuple(store["variables"]))
        for name, store in data.items()
    }
