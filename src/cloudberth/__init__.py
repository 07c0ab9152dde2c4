"""Cloudberth: Dify, or any LLM application, in production on any cloud from one file. Start at `pipeline`."""

__version__ = "0.1.0"
