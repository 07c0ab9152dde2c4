"""The servers and doubles of the contract suite, for tests of what is each store's own."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "contract" / "vector"))
