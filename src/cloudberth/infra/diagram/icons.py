"""Icons of our own, one per role: white strokes on a coloured tile, drawn in a square of 24."""

from __future__ import annotations

from enum import StrEnum

from cloudberth.infra.diagram.model import Role


class Hue(StrEnum):
    """Tile colours; each has at least 4.5:1 contrast with the white strokes on it."""

    PEOPLE = "#475569"
    NETWORK = "#6d3fc0"
    COMPUTE = "#b4530a"
    DATABASE = "#1d5fc4"
    STORAGE = "#2f7a38"
    SECURITY = "#b4232f"
    OPERATIONS = "#a01f6b"
    PLAIN = "#5b6675"


_BUCKET = (
    "M4.5 6.5c0-1.7 3.4-3 7.5-3s7.5 1.3 7.5 3-3.4 3-7.5 3-7.5-1.3-7.5-3z"
    "M4.5 6.5l2 12.2c.2 1 2.6 1.8 5.5 1.8s5.3-.8 5.5-1.8l2-12.2"
)
_CYLINDER = (
    "M5 6c0-1.7 3.1-3 7-3s7 1.3 7 3-3.1 3-7 3-7-1.3-7-3z"
    "M5 6v12c0 1.7 3.1 3 7 3s7-1.3 7-3V6M5 12c0 1.7 3.1 3 7 3s7-1.3 7-3"
)
_SHIELD = "M12 3l7.5 2.8v5.4c0 4.6-3.1 8-7.5 9.8-4.4-1.8-7.5-5.2-7.5-9.8V5.8z"
_GLOBE = "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18zM3 12h18M12 3c-5 5.4-5 12.6 0 18M12 3c5 5.4 5 12.6 0 18"
_SERVER = "M4 4h16v6.5H4zM4 13.5h16V20H4zM7.5 7.2h.01M7.5 16.8h.01M11 7.2h6M11 16.8h6"

_DRAWN: dict[Role, tuple[Hue, str]] = {
    Role.USERS: (
        Hue.PEOPLE,
        "M9 4.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7zM2.5 20c0-3.6 2.9-5.5 6.5-5.5s6.5 1.9 6.5 5.5"
        "M15.5 4.7a3.5 3.5 0 0 1 0 6.6M18 14.9c2.2.8 3.5 2.5 3.5 5.1",
    ),
    Role.INTERNET: (Hue.PEOPLE, _GLOBE),
    Role.DNS: (Hue.NETWORK, "M12 3v18M12 5h6.5l2 2.2-2 2.3H12zM12 11.5H5.5l-2 2.2 2 2.3H12zM8.5 21h7"),
    Role.CDN: (
        Hue.NETWORK,
        "M12 9.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5zM12 9.5V5M12 14.5V19M9.8 10.8L6 8.5M14.2 13.2L18 15.5"
        "M9.8 13.2L6 15.5M14.2 10.8L18 8.5M12 3v.01M12 21v.01"
        "M4.3 7.5v.01M19.7 16.5v.01M4.3 16.5v.01M19.7 7.5v.01",
    ),
    Role.WAF: (Hue.SECURITY, _SHIELD + "M8.5 11.8l2.6 2.6 4.6-5"),
    Role.GATEWAY: (Hue.NETWORK, "M4 20V10a8 8 0 0 1 16 0v10M12 9.5V20M9 12.5l3-3 3 3"),
    Role.BALANCER: (
        Hue.NETWORK,
        "M9.5 3.5h5v4.5h-5zM12 8v4M5 16v-4h14v4M12 12v4M3 16h4v4.5H3zM10 16h4v4.5h-4zM17 16h4v4.5h-4z",
    ),
    Role.NAT: (Hue.NETWORK, "M14 4H4v16h10M9 12h12M17.5 8.5L21 12l-3.5 3.5"),
    Role.APP: (
        Hue.COMPUTE,
        "M8 8h8v8H8zM8 10.5H4.5M8 13.5H4.5M16 10.5h3.5M16 13.5h3.5"
        "M10.5 8V4.5M13.5 8V4.5M10.5 16v3.5M13.5 16v3.5",
    ),
    Role.STATEFUL: (Hue.COMPUTE, _SERVER),
    Role.MACHINE: (Hue.COMPUTE, _SERVER),
    Role.CONTAINERS: (Hue.COMPUTE, "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9"),
    Role.FUNCTION: (Hue.COMPUTE, "M5.5 4h4l7.5 16h2.5M11.5 9L5 20"),
    Role.DATABASE: (Hue.DATABASE, _CYLINDER),
    Role.STANDBY: (Hue.DATABASE, _CYLINDER),
    Role.CACHE: (Hue.DATABASE, "M13 3L5 13.5h6L10.5 21 19 10h-6.5z"),
    Role.SEARCH: (Hue.DATABASE, "M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13zM15.3 15.3L20.5 20.5"),
    Role.OBJECTS: (Hue.STORAGE, _BUCKET),
    Role.FILES: (Hue.STORAGE, "M3.5 6h6l2 2.5h9v10.5h-17zM3.5 12h17"),
    Role.QUEUE: (Hue.STORAGE, "M3 8h4.5v8H3zM9.7 8h4.5v8H9.7zM16.5 8H21v8h-4.5zM7.5 12h2M14.3 12h2"),
    Role.SECRETS: (Hue.SECURITY, "M5 10.5h14V20H5zM8 10.5V8a4 4 0 0 1 8 0v2.5M12 14v2.5"),
    Role.KEYS: (
        Hue.SECURITY,
        "M8 12a4 4 0 1 0 0 8a4 4 0 1 0 0-8zM10.9 13.2L19.5 4.5M16 8l3 3M13.5 10.5l2 2",
    ),
    Role.LOGS: (Hue.OPERATIONS, "M6 3h8.5L19 7.5V21H6zM14 3v5h5M9 12h7M9 15h7M9 18h4.5"),
    Role.ALARMS: (
        Hue.OPERATIONS,
        "M12 3.5a6 6 0 0 0-6 6v4.5l-1.8 3h15.6l-1.8-3V9.5a6 6 0 0 0-6-6zM10 20c.4.7 1.1 1 2 1s1.6-.3 2-1",
    ),
    Role.MAIL: (Hue.OPERATIONS, "M3.5 5.5h17v13h-17zM3.5 7l8.5 6.5L20.5 7"),
    Role.BACKUP: (Hue.STORAGE, "M4 4v5h5M4.6 9a8 8 0 1 1-.4 4.5M12 8v4.5l3 1.8"),
    Role.BUDGET: (
        Hue.OPERATIONS,
        "M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17zM14.8 9c-.4-1-1.4-1.5-2.8-1.5-1.6 0-2.8.8-2.8 2.1"
        "c0 3 5.8 1.6 5.8 4.7c0 1.3-1.3 2.2-3 2.2-1.6 0-2.7-.6-3.1-1.7M12 5.8v1.7M12 16.5v1.7",
    ),
    Role.ENDPOINT: (Hue.NETWORK, "M9 3.5v5M15 3.5v5M6.5 8.5h11V12a5.5 5.5 0 0 1-11 0zM12 17.5v3.5"),
    Role.OTHER: (Hue.PLAIN, "M4 4h6.5v6.5H4zM13.5 4H20v6.5h-6.5zM4 13.5h6.5V20H4zM13.5 13.5H20V20h-6.5z"),
}


def icon_path(role: Role) -> str:
    """SVG path data in a square of 24, to be stroked with round ends."""
    return _DRAWN[role][1]


def icon_hue(role: Role) -> Hue:
    """Colour of the tile behind the icon."""
    return _DRAWN[role][0]
