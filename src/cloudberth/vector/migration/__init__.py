"""Moving a collection between two stores: plan, copy, verify, mend.

::

    plan(source, target, …) ──► Plan ──copy──► Journal ──verify──► Verification ──► Dify's switch (dify.py)

Vectors are copied as they are, with text and metadata; or made anew by another model when one is given. What
was copied is in a journal, so that a killed migration goes on where it was; writing a page twice is harmless.
"""

from __future__ import annotations

from cloudberth.vector.migration.copying import copy, mend
from cloudberth.vector.migration.journal import Journal, Phase
from cloudberth.vector.migration.planning import Plan, plan
from cloudberth.vector.migration.verifying import Verification, verify

__all__ = ["Journal", "Phase", "Plan", "Verification", "copy", "mend", "plan", "verify"]
