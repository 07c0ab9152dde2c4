"""Where spans go: destinations, their settings, and who may have them.

A destination belongs to everybody (``global``), to a tenant or to one app of a tenant, and gets only their
spans. Secrets are taken but never given back: what is read shows that one is set, and the end of a long
one.
"""

from __future__ import annotations

import json
import re
import secrets as randomness
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cloudberth.errors import InvalidInput, NotFound, PreconditionFailed
from cloudberth.tracing.ciphers import KeyRing, key_ring
from cloudberth.tracing.content import Policy
from cloudberth.tracing.cursors import add_cursor, drop_cursor, wake
from cloudberth.tracing.database import Connection, Database, Row
from cloudberth.tracing.guard import Guard
from cloudberth.tracing.headers import read_headers
from cloudberth.tracing.profile import Profile
from cloudberth.tracing.providers import profile
from cloudberth.tracing.store import now_ns

SCOPES = ("global", "tenant", "app")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_SHOWN = 4  # characters of a secret, and only of one that is four times as long
_COLUMNS = (
    "id", "scope", "tenant", "app", "provider", "name", "enabled", "settings", "secrets", "sample", "content",
    "content_limit", "redact", "version", "created", "updated", "updated_by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody asks for. settings: those of the provider, secrets among them.

    On a change, a secret that is missing (or None) stays as it is; an empty text takes it away.
    sample: the share of traces, 0 … 1; whole traces are taken, the same ones by every destination.
    """

    provider: str
    name: str = ""
    scope: str = "global"
    tenant: str = ""
    app: str = ""
    enabled: bool = True
    settings: Mapping[str, str | None] = field(default_factory=dict)
    sample: float = 1.0
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination as it may be shown. secrets: name → the end of it (``…ab12``) or ``set``; only those
    that are set.
    """

    id: str
    provider: str
    name: str
    scope: str
    tenant: str
    app: str
    enabled: bool
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    sample: float
    policy: Policy
    version: int
    created_ns: int
    updated_ns: int
    updated_by: str

    @property
    def profile(self) -> Profile:
        return profile(self.provider)

    def takes(self, tenant: str, app: str) -> bool:
        """Whether spans of this tenant and app belong here."""
        if self.scope == "global":
            return True
        return tenant == self.tenant and (self.scope == "tenant" or app == self.app)

    def shown(self) -> dict[str, Any]:
        """For an API or a file: everything but secrets."""
        return {
            "id": self.id, "provider": self.provider, "name": self.name, "scope": self.scope,
            "tenant": self.tenant, "app": self.app, "enabled": self.enabled, "settings": dict(self.settings),
            "secrets": {name: {"set": True, "hint": hint} for name, hint in self.secrets.items()},
            "sample": self.sample, "content": self.policy.content, "content_limit": self.policy.limit,
            "redact": list(self.policy.redact), "version": self.version, "updated_by": self.updated_by,
        }  # fmt: skip


class Destinations:
    """The destinations of a database. `tenant` arguments: see only what is this tenant's own; None sees
    all.
    """

    def __init__(self, database: Database, ring: KeyRing | None = None, guard: Guard | None = None) -> None:
        self.database = database
        self.guard = guard or Guard.of_environment()
        self._ring = ring

    @property
    def ring(self) -> KeyRing:
        if self._ring is None:
            self._ring = key_ring(self.database)
        return self._ring

    def list(self, tenant: str | None = None) -> tuple[Destination, ...]:
        """All, oldest first."""
        with self.database.connection() as connection:
            rows = connection.rows(
                f"SELECT {','.join(_COLUMNS)} FROM trace_destinations ORDER BY created, id"
            )
        found = tuple(map(_destination, rows))
        return found if tenant is None else tuple(each for each in found if _owns(each, tenant))

    def get(self, destination: str, tenant: str | None = None) -> Destination:
        """One. Raises NotFound, also for another tenant's."""
        with self.database.connection() as connection:
            return _destination(_row(connection, destination, tenant))

    def create(self, draft: Draft, *, by: str = "", backlog: bool = False) -> Destination:
        """Add one. backlog: send what is stored already, not only what comes. Raises InvalidInput."""
        found, given = self._checked(draft, {})
        moment = now_ns()
        identity = f"d{randomness.token_hex(8)}"
        made = replace(found, id=identity, version=1, created_ns=moment, updated_ns=moment, updated_by=by)
        with self.database.transaction(alone=True) as connection:
            marks = ",".join("?" * len(_COLUMNS))
            connection.run(
                f"INSERT INTO trace_destinations ({','.join(_COLUMNS)}) VALUES ({marks})",
                self._values(made, given),
            )
            add_cursor(connection, made.id, backlog)
        return made

    def update(
        self,
        destination: str,
        draft: Draft,
        *,
        by: str = "",
        tenant: str | None = None,
        version: int | None = None,
    ) -> Destination:
        """Change one. version: what the caller saw; PreconditionFailed when somebody changed it meanwhile."""
        with self.database.transaction(alone=True) as connection:
            row = _row(connection, destination, tenant)
            old = _destination(row)
            if version is not None and version != old.version:
                raise PreconditionFailed("somebody changed this destination meanwhile", where=old.name)
            if draft.provider != old.provider:
                raise InvalidInput("a destination stays with its provider", hint="add another one")
            found, given = self._checked(draft, self._opened(row))
            made = replace(found, id=old.id, version=old.version + 1, created_ns=old.created_ns,
                           updated_ns=now_ns(), updated_by=by)  # fmt: skip
            changed = ", ".join(f"{name} = ?" for name in _COLUMNS[1:])
            connection.run(
                f"UPDATE trace_destinations SET {changed} WHERE id = ?",
                (*self._values(made, given)[1:], made.id),
            )
            # New settings are a reason to try again at once.
            wake(connection, made.id)
        return made

    def enable(
        self, destination: str, enabled: bool, *, by: str = "", tenant: str | None = None
    ) -> Destination:
        """Switch on or off. What comes while it is off waits, as long as it is kept."""
        with self.database.transaction(alone=True) as connection:
            _row(connection, destination, tenant)
            connection.run(
                "UPDATE trace_destinations SET enabled = ?, version = version + 1, updated = ?, "
                "updated_by = ? WHERE id = ?",
                (int(enabled), now_ns(), by, destination),
            )
            wake(connection, destination)
        return self.get(destination, tenant)

    def delete(self, destination: str, *, tenant: str | None = None) -> None:
        with self.database.transaction(alone=True) as connection:
            _row(connection, destination, tenant)
            connection.run("DELETE FROM trace_destinations WHERE id = ?", (destination,))
            drop_cursor(connection, destination)

    def complete_settings(self, destination: str) -> dict[str, str]:
        """The settings with the secrets, for whoever connects. Never to be shown, logged or kept."""
        with self.database.connection() as connection:
            row = _row(connection, destination, None)
        found = _destination(row)
        return found.profile.completed({**found.settings, **self._opened(row)})

    def draft_settings(
        self, draft: Draft, destination: str | None = None, tenant: str | None = None
    ) -> dict[str, str]:
        """The same of a draft that is not saved, for its test; secrets it leaves out are those of
        `destination`.
        """
        stored: dict[str, str] = {}
        if destination is not None:
            with self.database.connection() as connection:
                stored = self._opened(_row(connection, destination, tenant))
        found, given = self._checked(draft, stored)
        return found.profile.completed({**found.settings, **given})

    def rotate(self) -> int:
        """Encrypt everything with the current key. How many were changed."""
        changed = 0
        with self.database.transaction(alone=True) as connection:
            rows = connection.rows(f"SELECT {','.join(_COLUMNS)} FROM trace_destinations")
            for row in rows:
                sealed = json.loads(row[8])["sealed"]
                if not sealed or self.ring.is_current(sealed):
                    continue
                text = self._sealed(_destination(row), self._opened(row))
                connection.run("UPDATE trace_destinations SET secrets = ? WHERE id = ?", (text, row[0]))
                changed += 1
        return changed

    def _checked(self, draft: Draft, stored: Mapping[str, str]) -> tuple[Destination, dict[str, str]]:
        """A destination without an id, and its secrets in clear. Raises InvalidInput, Refused."""
        known = profile(draft.provider)
        _check_draft(draft)
        given = {name: value for name, value in draft.settings.items() if value is not None}
        for name in known.secrets & stored.keys():
            given.setdefault(name, stored[name])
        complete = known.completed(given)
        for each in known.fields:
            value = complete[each.name]
            if value and each.name in ("endpoint", "api_endpoint", "url", "host"):
                self.guard.check_url(value)
        read_headers(complete.get("headers", ""))
        kept = {name: complete[name] for name in known.secrets if complete[name]}
        clear = {name: value for name, value in complete.items() if name not in known.secrets}
        found = Destination(
            "",
            draft.provider,
            draft.name or known.title,
            draft.scope,
            draft.tenant,
            draft.app,
            draft.enabled,
            clear,
            {name: _hint(value) for name, value in kept.items()},
            float(draft.sample),
            draft.policy,
            0,
            0,
            0,
            "",
        )
        return found, kept

    def _values(self, made: Destination, given: Mapping[str, str]) -> tuple[Any, ...]:
        return (
            made.id, made.scope, made.tenant, made.app, made.provider, made.name, int(made.enabled),
            json.dumps(dict(made.settings)), self._sealed(made, given), made.sample, made.policy.content,
            made.policy.limit, json.dumps(made.policy.redact), made.version, made.created_ns, made.updated_ns,
            made.updated_by,
        )  # fmt: skip

    def _sealed(self, made: Destination, given: Mapping[str, str]) -> str:
        sealed = self.ring.encrypt(given, _binding(made)) if given else ""
        return json.dumps({"sealed": sealed, "hints": dict(made.secrets)})

    def _opened(self, row: Row) -> dict[str, str]:
        sealed = json.loads(row[8])["sealed"]
        return self.ring.decrypt(sealed, _binding(_destination(row))) if sealed else {}


def _check_draft(draft: Draft) -> None:
    if draft.scope not in SCOPES:
        raise InvalidInput(f"there is no scope {draft.scope!r}", where="scope", hint=", ".join(SCOPES))
    if bool(draft.tenant) != (draft.scope != "global") or bool(draft.app) != (draft.scope == "app"):
        raise InvalidInput(
            f"a destination of the scope {draft.scope} has "
            + {
                "global": "no tenant and no app",
                "tenant": "a tenant and no app",
                "app": "a tenant and an app",
            }[draft.scope],
            where="scope",
        )
    if draft.name and not _NAME.fullmatch(draft.name):
        raise InvalidInput("a name is one line of at most 100 characters", where="name")
    if not 0 <= draft.sample <= 1:
        raise InvalidInput("the share of traces is not 0 … 1", where="sample")
    draft.policy.check()


def _binding(destination: Destination) -> str:
    return f"{destination.id}|{destination.provider}|{destination.tenant}|{destination.app}"


def _hint(value: str) -> str:
    return f"…{value[-_SHOWN:]}" if len(value) >= 4 * _SHOWN and "\n" not in value else "set"


def _owns(destination: Destination, tenant: str) -> bool:
    return destination.scope != "global" and destination.tenant == tenant


def _row(connection: Connection, destination: str, tenant: str | None) -> Row:
    rows = connection.rows(
        f"SELECT {','.join(_COLUMNS)} FROM trace_destinations WHERE id = ?", (destination,)
    )
    if not rows or (tenant is not None and not _owns(_destination(rows[0]), tenant)):
        raise NotFound("there is no such destination", where=destination[:60])
    return rows[0]


def _destination(row: Row) -> Destination:
    given = dict(zip(_COLUMNS, row, strict=True))
    return Destination(
        given["id"], given["provider"], given["name"], given["scope"], given["tenant"], given["app"],
        bool(given["enabled"]), json.loads(given["settings"]), json.loads(given["secrets"])["hints"],
        given["sample"], Policy(given["content"], given["content_limit"], tuple(json.loads(given["redact"]))),
        given["version"], given["created"], given["updated"], given["updated_by"],
    )  # fmt: skip
