"""The promises of the contract as checks that run over any store, in tests and as a command.

``berth vector conformance URL`` lets the owner of a store that we cannot run prove it. Every check makes its
own collections, named ``BerthCheck_…``, and removes them.
"""

from __future__ import annotations

from cloudberth.vector.conformance import collections, filtering, scanning, searching, writing
from cloudberth.vector.conformance.model import Check, Failed, Subject, registered

# Each of these modules registers its checks when it is imported.
_MODULES = (collections, writing, filtering, searching, scanning)

CHECKS: tuple[Check, ...] = registered()

__all__ = ["CHECKS", "Check", "Failed", "Subject"]
