"""What the composed stack needs to know about a cloud: ``clouds/<cloud>.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent / "clouds"


@cache
def cloud_data(name: str) -> dict[str, Any]:
    """logging: driver and options of containers. settings: what the cloud sets for ``${setting.…}``."""
    document: dict[str, Any] = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return document
