"""Everything that the picture knows about AWS: resource types, where they stand, who talks to whom."""

from __future__ import annotations

from cloudberth.infra.diagram.aws.picture import picture_of

__all__ = ["picture_of"]
