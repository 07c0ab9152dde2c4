"""The server: OTLP endpoint, web console, health and metrics in one ASGI application.

Start at `application.py`, which puts the parts together. A part of the console is a section
(`sections.py`): its name, its entry in the navigation, its routes, its pages and their translations. Needs
the extra ``server``.
"""
