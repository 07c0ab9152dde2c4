"""The simulated Google Cloud: what its provider knows at plan time, and invents on apply."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.behaviour import Account, Behaviour, Subject, digest
from cloudberth.infra.simulation.google import data, replace, rules
from cloudberth.infra.simulation.google.shapes import API, COMPUTE, SHAPES
from cloudberth.infra.simulation.rules import AnyRule
from cloudberth.infra.simulation.schema import Attribute, Block, Type
from cloudberth.infra.simulation.values import UNKNOWN, Path, Value, known

PROJECT: Final = "simulated-project"
NUMBER: Final = "000000000000"
DEFAULT_REGION: Final = "us-central1"

_PLACE = re.compile(r"\{(\w+)\}")
_LETTERED = re.compile(r"(hex|digits)(\d+)")


class Google(Behaviour):
    """One project, in which anything may be created."""

    sensitive = replace.SENSITIVE

    def __init__(self, account: Account) -> None:
        super().__init__(account)

    @property
    def project(self) -> str:
        return str(self.settings.get("project") or PROJECT)

    @property
    def region(self) -> str:
        return str(self.settings.get("region") or DEFAULT_REGION)

    def rules(self, name: str) -> Sequence[AnyRule]:
        return rules.RESOURCE_RULES.get(name, ())

    def force_new(self, name: str) -> frozenset[str]:
        return replace.FORCE_NEW.get(name, frozenset()) | replace.ALWAYS

    def known_at_plan(
        self, name: str, block: Block, planned: Mapping[str, Value], config: Mapping[str, Value]
    ) -> Mapping[str, Value]:
        values: dict[str, Value] = {}
        for argument, default in (
            ("project", self.project),
            ("region", self.region),
            ("deletion_policy", "DELETE"),
        ):
            if (
                argument in block.attributes
                and planned.get(argument) is UNKNOWN
                and config.get(argument) is None
            ):
                values[argument] = default
        if "effective_labels" in block.attributes:
            labels = self._labels(planned.get("labels"))
            values |= {"effective_labels": labels, "terraform_labels": labels}
        project = values.get("project", planned.get("project"))
        if name == "google_service_account" and known([project, planned.get("account_id")]):
            email = f"{planned['account_id']}@{project}.iam.gserviceaccount.com"
            values |= {"email": email, "member": f"serviceAccount:{email}"}
        return values

    def _labels(self, labels: Value) -> Value:
        """The provider's default labels, its own mark, and the resource's on top."""
        if labels is UNKNOWN:
            return UNKNOWN
        default = self.settings.get("default_labels")
        mark = (
            {}
            if self.settings.get("add_terraform_attribution_label") is False
            else {"goog-terraform-provisioned": "true"}
        )
        return {**mark, **(default if isinstance(default, Mapping) else {}), **(labels or {})}

    # ---- apply

    def happened(self, name: str, values: Mapping[str, Value], config: Mapping[str, Value]) -> None:
        data.remember(self.account, name, values, config)
        with self.account.lock:
            self.account.exposed.update(str(values[attribute]) for attribute in replace.EXPOSED.get(name, ()))

    def found(self, name: str, values: Mapping[str, Value]) -> None:
        data.recall(self.account, name, values)

    def top_level(self, subject: Subject, attribute: Attribute) -> Value:
        return _Inventor(self, subject).attribute(attribute)

    def invented(self, subject: Subject, path: Path, kind: Type) -> Value:
        """Inside blocks: what the real provider stores for a setting that nobody made."""
        return "" if kind == "string" else super().invented(subject, path, kind)

    # ---- read

    def data(self, name: str, config: Mapping[str, Value]) -> Mapping[str, Value]:
        source = data.SOURCES.get(name)
        return source(data.Query(self.project, self.region, config)) if source else {}

    def imported(self, name: str, identifier: str) -> Mapping[str, Value]:  # noqa: ARG002
        return {"id": identifier, "project": self.project, "name": identifier.rpartition("/")[2]}

    def opened(self, name: str, config: Mapping[str, Value]) -> Mapping[str, Value]:
        source = data.EPHEMERAL.get(name)
        return source(self.account, config) if source else {}


class _Inventor:
    """Fills patterns for one object."""

    def __init__(self, cloud: Google, subject: Subject) -> None:
        self.cloud = cloud
        self.subject = subject
        self.shape = dict(SHAPES.get(subject.name, {}))
        place = COMPUTE.get(subject.name)
        if place:
            self.shape = {"id": place, "self_link": f"{API}/{place}", **self.shape}
        self._open: set[str] = set()

    def attribute(self, attribute: Attribute) -> Value:
        name = attribute.name
        if name in self.shape:
            return self.filled(self.shape[name], name)
        if attribute.type != "string":
            return Behaviour.invented(_NEUTRAL, self.subject, (name,), attribute.type)
        if name == "id":
            return str(self.subject.values.get("name") or digest(20, self.subject.seed, "id"))
        if name == "name":
            prefix = self.subject.values.get("name_prefix") or "terraform-"
            return f"{prefix}{self._characters('digits', 26, name)}"
        if name.endswith(("_time", "_timestamp")):
            return "2026-01-01T00:00:00.000Z"
        return "" if attribute.optional else f"{name}-{digest(10, self.subject.seed, name)}"

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
            return self._characters(lettered[1], int(lettered[2]), attribute)
        if name == "octet":
            return int(digest(4, self.subject.seed, attribute), 16) % 250 + 4
        if name == "number":
            return NUMBER
        return self._sibling(name)

    def _characters(self, kind: str, length: int, attribute: str) -> str:
        if kind == "hex":
            return digest(length, self.subject.seed, attribute)
        number = int(hashlib.sha512(f"{self.subject.seed}{attribute}".encode()).hexdigest(), 16)
        return str(number)[:length]

    def _sibling(self, name: str) -> Value:
        """Another attribute of the same object, known or invented."""
        value = self.subject.values.get(name)
        if value is not None and value is not UNKNOWN and value != "":
            return value
        if name in self.shape and name not in self._open:
            self._open.add(name)
            try:
                return self.filled(self.shape[name], name)
            finally:
                self._open.discard(name)
        if name == "name":
            prefix = self.subject.values.get("name_prefix") or "terraform-"
            return f"{prefix}{self._characters('digits', 26, name)}"
        return {"project": self.cloud.project, "region": self.cloud.region}.get(name, "")


_NEUTRAL: Final = Behaviour(Account())
