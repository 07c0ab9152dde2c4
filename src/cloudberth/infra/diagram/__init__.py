"""A plan as a picture that a person would put in a design document: self-contained SVG.

::

    Plan ──picture_of (cloud)──► Picture ──lay_out──► Layout ──write_svg──► text

Only the cloud's own folder knows its resource types; model, layout and drawing are the same for every cloud.
"""

from __future__ import annotations

from cloudberth.infra.diagram.clouds import picture_of
from cloudberth.infra.diagram.layout import lay_out
from cloudberth.infra.diagram.svg import write_svg
from cloudberth.infra.plan import Plan

__all__ = ["draw", "picture_of"]


def draw(plan: Plan) -> str:
    """The plan as the text of one SVG file. The same plan gives the same bytes."""
    return write_svg(lay_out(picture_of(plan)))
