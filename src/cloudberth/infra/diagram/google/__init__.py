"""Everything that the picture knows about Google Cloud: types, where they stand, who talks to whom."""

from __future__ import annotations

from cloudberth.infra.diagram.google.picture import picture_of

__all__ = ["picture_of"]
