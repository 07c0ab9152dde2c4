"""References to secrets: ``secret:NAME-OR-ARN`` names an entry of the cloud's secret store.

A secret never stands in berth.yaml. Where one is needed the file names an entry that already exists in the
secret store; only the machines read it, with their own identity. Everything between (workspace, plan, state,
process list) sees the name alone.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from cloudberth.deployment.model.base import shown, wrong

PREFIX = "secret:"
# AWS Secrets Manager: letters, digits and /_+=.@- in at most 512 characters; an ARN adds colons.
REFERENCE_PATTERN = r"^secret:[A-Za-z0-9/_+=.@:-]{1,2000}$"
_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}\Z")
_ARN = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):secret:(?P<name>[A-Za-z0-9/_+=.@-]{1,519})\Z"
)


@dataclass(frozen=True, slots=True)
class SecretReference:
    """An entry of the cloud's secret store that somebody else filled.

    id: name or ARN in the store. name: how templates call it (``${secret.<name>}``), the same for the same
    id. region: of an ARN, ``""`` for a plain name.
    """

    id: str
    name: str
    region: str = ""

    @property
    def placeholder(self) -> str:
        """What stands in a template in place of the value: ``${secret.external_prod_qdrant}``."""
        return f"${{secret.{self.name}}}"

    @staticmethod
    def parse(text: str) -> SecretReference | None:
        """The reference in a text, None when the text is not a (well-formed) one."""
        if not text.startswith(PREFIX):
            return None
        identifier = text.removeprefix(PREFIX)
        arn = _ARN.match(identifier)
        if not arn and not _NAME.match(identifier):
            return None
        words = re.sub(r"[^a-z0-9]+", "_", (arn["name"] if arn else identifier).lower()).strip("_")[:40]
        short = hashlib.sha256(identifier.encode()).hexdigest()[:6]
        # The digest keeps "prod/key" and "prod-key" apart; the prefix keeps both apart from
        # generated secrets.
        return SecretReference(identifier, f"external_{words}_{short}", arn["region"] if arn else "")


def looks_like_reference(text: str) -> bool:
    return text.startswith(PREFIX)


def _reference(value: str) -> str:
    if not looks_like_reference(value):
        # The value is left out on purpose: it may be the secret itself.
        raise wrong(
            "expected a reference to a secret, not its value",
            "put the value into the cloud's secret store and write secret:NAME",
        )
    if SecretReference.parse(value) is None:
        raise wrong(
            f"{shown(value)} is not a reference to a secret",
            "write secret:NAME or secret:ARN as the secret store shows it",
        )
    return value


SecretText = Annotated[
    str, AfterValidator(_reference), Field(json_schema_extra={"pattern": REFERENCE_PATTERN})
]
"""Text that must be ``secret:NAME-OR-ARN``."""
