"""Setting logging up for a service: everything to one stream, as JSON lines.

::

    from cloudberth import logs

    logs.set_up("api", cloud="google", project="my-project")
    with logs.context(request_id="…", tenant_id="…"):
        logging.getLogger(__name__).info("answered", extra={"duration_ms": 12})
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO, get_args

from cloudberth.errors import InvalidInput
from cloudberth.logs.json_lines import JsonLines
from cloudberth.logs.trace_links import Cloud, TraceSource, current_trace

_PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GOOGLE_PROJECT")


class _Ours(logging.StreamHandler[TextIO]):
    """Marks the handler, so that a second set-up replaces it."""


def set_up(
    service: str,
    *,
    environment: str = "",
    version: str = "",
    level: int | str = logging.INFO,
    cloud: Cloud | None = None,
    project: str = "",
    limit: int | None = None,
    stream: TextIO | None = None,
    trace: TraceSource = current_trace,
) -> logging.Handler:
    """The root logger writes JSON lines to `stream` (standard output). Other handlers of it are taken away.

    cloud: whose keys for traces are written, all when it is not known; project: of Google Cloud, by default
    that of the environment. Uncaught exceptions become lines, too. Raises InvalidInput.
    """
    if cloud is not None and cloud not in get_args(Cloud):
        raise InvalidInput(f"there is no cloud {cloud!r}", hint=f"clouds: {', '.join(get_args(Cloud))}")
    named = project or next(filter(None, (os.environ.get(name) for name in _PROJECT_VARIABLES)), "")
    handler = _Ours(stream or sys.stdout)
    handler.setFormatter(
        JsonLines(
            service=service, environment=environment, version=version, cloud=cloud, project=named,
            limit=limit, trace=trace,
        )
    )  # fmt: skip
    root = logging.getLogger()
    for other in list(root.handlers):
        root.removeHandler(other)
    root.addHandler(handler)
    try:
        root.setLevel(level)
    except (ValueError, TypeError):
        raise InvalidInput(f"there is no level {level!r}") from None
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    return handler


def _uncaught(kind: type[BaseException], error: BaseException, trace: object) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)  # type: ignore[arg-type]
        return
    logging.getLogger("uncaught").critical("the program ends: %s", kind.__name__, exc_info=error)
