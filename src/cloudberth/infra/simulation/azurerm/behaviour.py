"""The simulated Azure: ids, names, data sources, and the vault that keeps secrets out of the state."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.azurerm import replace, rules
from cloudberth.infra.simulation.azurerm.shapes import CHILDREN, KINDS, VALUES
from cloudberth.infra.simulation.behaviour import Behaviour, Subject, digest
from cloudberth.infra.simulation.rules import AnyRule
from cloudberth.infra.simulation.schema import Attribute, Type
from cloudberth.infra.simulation.values import Path, Value

SUBSCRIPTION: Final = "00000000-0000-0000-0000-000000000000"
TENANT: Final = "00000000-0000-0000-0000-00000000000f"
DEFAULT_REGION: Final = "westeurope"

_PLACE = re.compile(r"\{(\w+)\}")
_HEX = re.compile(r"hex(\d+)")


def uuid(*parts: object) -> str:
    digits = digest(32, *parts)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class Azurerm(Behaviour):
    """A subscription of zeros, in which anything may be created."""

    sensitive = replace.SENSITIVE

    def rules(self, name: str) -> Sequence[AnyRule]:
        return rules.RESOURCE_RULES.get(name, ())

    def force_new(self, name: str) -> frozenset[str]:
        return replace.FORCE_NEW.get(name, frozenset()) | replace.ALWAYS

    # ---- apply

    def top_level(self, subject: Subject, attribute: Attribute) -> Value:
        pattern = VALUES.get(subject.name, {}).get(attribute.name)
        if pattern is not None:
            return filled(pattern, subject)
        if attribute.name == "id":
            return identifier(subject)
        if attribute.type == "string":
            if attribute.name.endswith(("tenant_id", "principal_id", "client_id")):
                return uuid(subject.seed, attribute.name)
            if attribute.optional:
                return ""  # what the real provider stores for a setting that nobody made
        return super().top_level(subject, attribute)

    def invented(self, subject: Subject, path: Path, kind: Type) -> Value:
        name = str(path[-1])
        if kind == "string" and name in ("principal_id", "tenant_id", "client_id"):
            return uuid(subject.seed, path)
        if kind == "string" and name == "id":
            return f"{identifier(subject)}/{'/'.join(map(str, path[:-1]))}"
        return super().invented(subject, path, kind)

    def happened(self, name: str, values: Mapping[str, Value], config: Mapping[str, Value]) -> None:
        """A secret's value goes into the vault, not into the state."""
        value = config.get("value_wo")
        if name == "azurerm_key_vault_secret" and isinstance(value, str):
            with self.account.lock:
                self.account.store[_secret_key(values)] = value

    # ---- read

    def data(self, name: str, config: Mapping[str, Value]) -> Mapping[str, Value]:
        if name == "azurerm_client_config":
            return {
                "id": uuid("client"),
                "client_id": uuid("client"),
                "object_id": uuid("object"),
                "subscription_id": SUBSCRIPTION,
                "tenant_id": TENANT,
            }
        if name == "azurerm_dns_zone":
            group = config.get("resource_group_name") or "dns"
            path = (
                f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Network/dnsZones"
            )
            return {"id": f"{path}/{config.get('name')}", "resource_group_name": group}
        return {}

    # ---- ephemeral resources

    def opened(self, name: str, config: Mapping[str, Value]) -> Mapping[str, Value]:
        if name != "azurerm_key_vault_secret":
            return {}
        key = _secret_key(config)
        with self.account.lock:
            value = self.account.store.get(key)
            ours = ("azurerm_key_vault", str(config.get("key_vault_id"))) in self.account.objects
        if value is None and ours and not self._known(config):
            raise LookupError(f"SecretNotFound: there is no secret {config.get('name')} in this vault")
        return {"value": value or f"simulated-{digest(24, 'external', key)}", "version": digest(32, key)}

    def _known(self, config: Mapping[str, Value]) -> bool:
        """Whether the secret was made in an earlier run, whose values are gone."""
        return any(
            values.get("name") == config.get("name")
            for values in self.account.of_type("azurerm_key_vault_secret")
        )


def _secret_key(values: Mapping[str, Value]) -> str:
    return f"azurerm_key_vault_secret:{values.get('key_vault_id')}:{values.get('name')}"


# ---- ids and patterns --------------------------------------------------------------------------------------


def group_of(subject: Subject) -> str:
    name = subject.values.get("resource_group_name") or "simulated"
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"


def identifier(subject: Subject) -> str:
    """The id of a resource, in the form that Azure's resource manager uses."""
    pattern = VALUES.get(subject.name, {}).get("id")
    if pattern is not None:
        return filled(pattern, subject)
    name = subject.values.get("name") or digest(12, subject.seed)
    if subject.name == "azurerm_resource_group":
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"
    if subject.name in CHILDREN:
        argument, step = CHILDREN[subject.name]
        return f"{subject.values.get(argument)}/{step}/{name}"
    kind = KINDS.get(subject.name, f"Microsoft.Resources/{subject.name.removeprefix('azurerm_')}")
    return f"{group_of(subject)}/providers/{kind}/{name}"


def filled(pattern: str, subject: Subject) -> str:
    return _PLACE.sub(lambda match: _place(match[1], subject), pattern)


def _place(name: str, subject: Subject) -> str:
    """What stands in braces."""
    digits = _HEX.fullmatch(name)
    if digits:
        return digest(int(digits[1]), subject.seed, "hex")
    if name == "uuid":
        return uuid(subject.seed, "uuid")
    if name == "octet":
        return str(int(digest(4, subject.seed, "octet"), 16) % 250 + 4)
    fixed = {
        "subscription": SUBSCRIPTION,
        "tenant": TENANT,
        "group": group_of(subject),
        "region": str(subject.values.get("location") or DEFAULT_REGION),
        "vault": _last(subject.values.get("key_vault_id")),
        "container_url": _container_url(subject),
    }
    value = subject.values.get(name)
    return str(value) if value is not None else fixed.get(name, "")


def _last(value: Value) -> str:
    return str(value or "").rpartition("/")[2]


def _container_url(subject: Subject) -> str:
    """https://ACCOUNT.blob.core.windows.net/CONTAINER, of a container or of a blob in it."""
    inside = str(subject.values.get("storage_container_id") or "")
    account = _last(subject.values.get("storage_account_id"))
    container = str(subject.values.get("name"))
    if inside:
        before, _, container = inside.rpartition("/blobServices/default/containers/")
        account = _last(before)
    return f"https://{account}.blob.core.windows.net/{container}"
