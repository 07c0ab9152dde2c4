"""berth.yaml → Deployment: what the user asked for."""

from cloudberth.deployment.loader import load, load_text
from cloudberth.deployment.model import Deployment

__all__ = ["Deployment", "load", "load_text"]
