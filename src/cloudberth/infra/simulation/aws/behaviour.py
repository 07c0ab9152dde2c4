"""The simulated AWS: what its provider knows at plan time, invents on apply, and refuses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.aws import certificates, data, replace, rules
from cloudberth.infra.simulation.aws.objections import objections
from cloudberth.infra.simulation.aws.shapes import DATA_SHAPES, EC2_PREFIXES, SERVICES, SHAPES
from cloudberth.infra.simulation.behaviour import Account, Behaviour, Subject, digest
from cloudberth.infra.simulation.rules import AnyRule, Complaint
from cloudberth.infra.simulation.schema import Attribute, Block, Type
from cloudberth.infra.simulation.values import UNKNOWN, Path, Value, known

ACCOUNT_ID: Final = "000000000000"
DEFAULT_REGION: Final = "us-east-1"
IDENTITY: Final = ("name", "bucket", "identifier", "family", "key")
"""Arguments that most types use as their id."""

ENGINE_PORTS: Final[Mapping[str, int]] = {
    "postgres": 5432,
    "aurora-postgresql": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "aurora-mysql": 3306,
}

_PLACE = re.compile(r"\{(\w+)\}")
_LETTERED = re.compile(r"(hex|upper|digits|letters|network)(\d+)")
_ALPHABETS: Final[Mapping[str, str]] = {
    "hex": "0123456789abcdef",
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "digits": "0123456789",
    "letters": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "network": "abcdefghijklmnopqrstuvwxyz0123456789",
}


def letters(kind: str, length: int, *parts: object) -> str:
    """Characters of one alphabet that depend on the parts alone."""
    alphabet = _ALPHABETS[kind]
    number = int(hashlib.sha512(repr(parts).encode()).hexdigest(), 16)
    out = []
    for _ in range(length):
        number, position = divmod(number, len(alphabet))
        out.append(alphabet[position])
    return "".join(out)


def partition_of(region: str) -> tuple[str, str]:
    """(ARN partition, DNS suffix) of a region."""
    if region.startswith("cn-"):
        return "aws-cn", "amazonaws.com.cn"
    return ("aws-us-gov" if region.startswith("us-gov-") else "aws"), "amazonaws.com"


class Aws(Behaviour):
    """Account 000000000000, in which anything may be created."""

    sensitive = replace.SENSITIVE

    def __init__(self, account: Account) -> None:
        super().__init__(account)

    @property
    def region(self) -> str:
        return str(self.settings.get("region") or DEFAULT_REGION)

    def check_provider(self, config: Mapping[str, Value]) -> Sequence[Complaint]:
        return rules.provider_complaints(config)

    def rules(self, name: str) -> Sequence[AnyRule]:
        return rules.RESOURCE_RULES.get(name, ())

    def data_rules(self, name: str) -> Sequence[AnyRule]:
        return rules.DATA_RULES.get(name, ())

    def force_new(self, name: str) -> frozenset[str]:
        return replace.FORCE_NEW.get(name, frozenset()) | replace.ALWAYS

    def renewed(self, name: str, changed: frozenset[str], planned: Mapping[str, Value]) -> frozenset[str]:
        renewals = replace.RENEWED.get(name, {})
        return frozenset(attribute for attribute, rule in renewals.items() if rule.applies(changed, planned))

    def known_at_plan(
        self, name: str, block: Block, planned: Mapping[str, Value], config: Mapping[str, Value]
    ) -> Mapping[str, Value]:
        values: dict[str, Value] = {}
        if "region" in block.attributes and planned.get("region") is UNKNOWN and config.get("region") is None:
            values["region"] = self.region
        if "tags_all" in block.attributes and config.get("tags_all") is None:
            values["tags_all"] = self._all_tags(planned.get("tags"))
        if name == "aws_acm_certificate" and planned.get("domain_validation_options") is UNKNOWN:
            values |= certificates.planned(planned)
        return values

    def _all_tags(self, tags: Value) -> Value:
        """The provider's default tags with the resource's own on top."""
        merged: dict[str, Value] = {}
        for block in self.settings.get("default_tags") or ():
            merged.update(block.get("tags") or {})
        if tags is UNKNOWN or not known(merged):
            return UNKNOWN
        merged.update(tags or {})
        return merged

    # ---- apply

    def objections(
        self, name: str, prior: Mapping[str, Value] | None, planned: Mapping[str, Value]
    ) -> Sequence[Complaint]:
        return objections(self.account, name, prior, planned)

    def happened(self, name: str, values: Mapping[str, Value], config: Mapping[str, Value]) -> None:
        data.remember(self.account, name, values, config)

    def found(self, name: str, values: Mapping[str, Value]) -> None:
        data.recall(self.account, name, values)

    def completed(self, subject: Subject, attribute: Attribute, planned: Value) -> Value:
        if attribute.name == "domain_validation_options":
            return certificates.validation_options(planned, subject.seed)
        return None

    def top_level(self, subject: Subject, attribute: Attribute) -> Value:
        version = data.counted_up(subject, attribute.name)
        if version is not None:
            return version
        return _Inventor(self.region, subject).attribute(attribute.name, attribute)

    def invented(self, subject: Subject, path: Path, kind: Type) -> Value:
        if kind == "string":
            return _Inventor(self.region, subject).by_name(str(path[-1]), path, subject.seed)
        return super().invented(subject, path, kind)

    # ---- read

    def data(self, name: str, config: Mapping[str, Value]) -> Mapping[str, Value]:
        region = str(config.get("region") or self.region)
        source = data.SOURCES.get(name)
        return (
            source(data.Query(region, *partition_of(region), ACCOUNT_ID, config, self.settings))
            if source
            else {}
        )

    def imported(self, name: str, identifier: str) -> Mapping[str, Value]:
        argument = data.IMPORT_ARGUMENT.get(name)
        return {"id": identifier, "region": self.region, **({argument: identifier} if argument else {})}

    def opened(self, name: str, config: Mapping[str, Value]) -> Mapping[str, Value]:
        source = data.EPHEMERAL.get(name)
        return source(self.account, config) if source else {}


class _Inventor:
    """Fills patterns for one object."""

    def __init__(self, region: str, subject: Subject) -> None:
        own = subject.values.get("region")
        self.region = own if isinstance(own, str) and own else region
        self.subject = subject
        self.shape = {
            **SHAPES.get(subject.name, {}),
            **(DATA_SHAPES.get(subject.name, {}) if subject.data else {}),
        }
        self.partition, self.suffix = partition_of(self.region)
        self._open: set[str] = set()

    def attribute(self, name: str, attribute: Attribute) -> Value:
        if name in self.shape:
            return converted(self.filled(self.shape[name], name), attribute.type)
        if attribute.type == "string":
            if attribute.optional and name not in (*IDENTITY, "id", "arn"):
                return ""  # what the real provider stores for a setting that nobody made
            return self.by_name(name, (name,), self.subject.seed)
        return Behaviour.invented(_NEUTRAL, self.subject, (name,), attribute.type)

    def filled(self, pattern: Value, attribute: str) -> Value:
        if isinstance(pattern, str):
            return _PLACE.sub(lambda match: str(self.place(match[1], attribute)), pattern)
        if isinstance(pattern, list):
            return [self.filled(item, f"{attribute}.{i}") for i, item in enumerate(pattern)]
        if isinstance(pattern, Mapping):
            return {key: self.filled(item, f"{attribute}.{key}") for key, item in pattern.items()}
        return pattern

    def place(self, name: str, attribute: str) -> Value:
        """What stands in braces."""
        lettered = _LETTERED.fullmatch(name)
        if lettered:
            kind, length = lettered[1], int(lettered[2])
            # "network" is the part of an endpoint that all objects of an account share in a region.
            parts = (self.region,) if kind == "network" else (self.subject.seed, attribute)
            return letters(kind, length, *parts)
        if name in _PLACES:
            return _PLACES[name](self, attribute)
        return self.sibling(name)

    def sibling(self, name: str) -> Value:
        """Another attribute of the same object, known or invented."""
        value = self.subject.values.get(name)
        if value is not None and value is not UNKNOWN:
            return value
        if name in self._open or (name not in self.shape and name not in (*IDENTITY, "id", "arn")):
            return ""
        self._open.add(name)
        try:
            if name in self.shape:
                return self.filled(self.shape[name], name)
            return self.by_name(name, (name,), self.subject.seed)
        finally:
            self._open.discard(name)

    def by_name(self, name: str, path: Path, seed: str) -> str:
        """A text whose form follows from the attribute's name."""
        if path == ("id",):
            return self.identifier()
        if name == "arn":
            return (
                self.generic_arn() if path == ("arn",) else f"{self.generic_arn()}/{digest(12, seed, path)}"
            )
        if path == ("name",):
            return (
                f"{self.subject.values.get('name_prefix') or 'terraform-'}{letters('digits', 26, seed, path)}"
            )
        if name in ("owner_id", "account_id", "registry_id"):
            return ACCOUNT_ID
        if name == "region":
            return self.region
        if name == "availability_zone":
            return f"{self.region}a"
        if name.endswith("zone_id"):
            return "Z" + letters("upper", 13, seed, path)
        if name.endswith("_arn"):
            service = service_of(self.subject.name)
            return f"arn:{self.partition}:{service}:{self.region}:{ACCOUNT_ID}:{digest(12, seed, path)}"
        return f"{name}-{digest(10, seed, path)}"

    def identifier(self) -> str:
        prefix = EC2_PREFIXES.get(self.subject.name)
        if prefix:
            return f"{prefix}-0{digest(16, self.subject.seed, 'id')}"
        for name in IDENTITY:
            value = self.subject.values.get(name)
            if isinstance(value, str) and value:
                return value
        return digest(20, self.subject.seed, "id")

    def generic_arn(self) -> str:
        service = service_of(self.subject.name)
        kind = self.subject.name.removeprefix("aws_")
        for lead in (
            "iam_",
            "ecs_",
            "ecr_",
            "eks_",
            "efs_",
            "backup_",
            "lambda_",
            "xray_",
            "scheduler_",
            "dlm_",
        ):
            kind = kind.removeprefix(lead)
        where = "" if service in ("iam", "cloudfront", "route53") else self.region
        name = self.sibling("name") if "name" in self.subject.values else self.sibling("id")
        return f"arn:{self.partition}:{service}:{where}:{ACCOUNT_ID}:{kind.replace('_', '-')}/{name}"


_NEUTRAL: Final = Behaviour(Account())
Place = Callable[["_Inventor", str], object]
"""What a place in a pattern stands for: (inventor, attribute) → value."""


def _uuid(inventor: _Inventor, attribute: str) -> str:
    digits = digest(32, inventor.subject.seed, attribute, "uuid")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _octet(inventor: _Inventor, attribute: str) -> str:
    return str(int(digest(4, inventor.subject.seed, attribute), 16) % 250 + 4)


def _engine_port(inventor: _Inventor, _: str) -> int:
    return ENGINE_PORTS.get(str(inventor.subject.values.get("engine")), 5432)


def _ipv6_range(inventor: _Inventor, attribute: str) -> str:
    """The /56 that Amazon gives a network which asks for one; from the range for documentation."""
    if not inventor.subject.values.get("assign_generated_ipv6_cidr_block"):
        return ""
    digits = digest(6, inventor.subject.seed, attribute)
    return f"2001:db8:{digits[:4]}:{digits[4:]}00::/56"


def _zone_code(inventor: _Inventor, _: str) -> str:
    """ElastiCache shortens a region to a code such as euc1 (eu-central-1)."""
    area, direction, *rest = inventor.region.split("-")
    return f"{area}{direction[:1]}{rest[-1] if rest else ''}"


_PLACES: Final[Mapping[str, Place]] = {
    "region": lambda inventor, _: inventor.region,
    "account": lambda _, __: ACCOUNT_ID,
    "partition": lambda inventor, _: inventor.partition,
    "suffix": lambda inventor, _: inventor.suffix,
    "uuid": _uuid,
    "octet": _octet,
    "engine_port": _engine_port,
    "zone_code": _zone_code,
    "ipv6_range": _ipv6_range,
    "bare_name": lambda inventor, _: str(inventor.sibling("name")).lstrip("/"),
    "path_or_slash": lambda inventor, _: inventor.subject.values.get("path") or "/",
    "scope_path": lambda inventor, _: (
        "global" if inventor.subject.values.get("scope") == "CLOUDFRONT" else "regional"
    ),
}


def service_of(name: str) -> str:
    """The service part of a type's ARN."""
    return next((service for prefix, service in SERVICES if name.startswith(prefix)), "ec2")


def converted(value: Value, kind: Type) -> Value:
    """A filled pattern as the attribute's type wants it."""
    if kind == "number" and isinstance(value, str):
        return int(value) if value else 0
    if kind == "bool" and isinstance(value, str):
        return value == "True"
    return value
