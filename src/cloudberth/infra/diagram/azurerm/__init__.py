"""Everything that the picture knows about Azure: resource types, where they stand, who talks to whom."""

from __future__ import annotations

from cloudberth.infra.diagram.azurerm.picture import picture_of

__all__ = ["picture_of"]
