"""docs/reference/plan.schema.json is what `berth schema --report` prints."""

from __future__ import annotations

import json
from pathlib import Path

from cloudberth.report import json_schema

FILE = Path(__file__).parents[2] / "docs" / "reference" / "plan.schema.json"


def test_the_committed_schema_is_fresh() -> None:
    fresh = json.dumps(json_schema(), indent=2) + "\n"
    assert FILE.read_text() == fresh, "run: berth schema --report > docs/reference/plan.schema.json"
