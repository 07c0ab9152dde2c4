"""The path router: the one container behind the load balancer, the same for every application.

All routes of all services become locations of one nginx; the load balancer then needs one backend port and
one health path on every cloud. nginx, not the load balancer, because only it can add headers (Dify-Hook-Url).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudberth.apps.model import App, Route, Service
from cloudberth.environment.template import escape

HEALTH_PATH = "/healthz"
CONFIG = "router.conf"
_IMAGE = "nginx:1.28.0-alpine"

# Who may tell the client's address: load balancers and proxies inside the network (RFC 1918, RFC 6598).
_TRUSTED = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")


def router_service() -> dict[str, Any]:
    """The router as data, for applications that bring none."""
    return {
        "image": _IMAGE,
        "port": 80,
        "health": {
            "command": ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8079/"],
            "start_seconds": 15,
        },
        "resources": {
            "small": {"cpu": 0.25, "memory_mb": 128},
            "medium": {"cpu": 0.5, "memory_mb": 256},
            "large": {"cpu": 1, "memory_mb": 256},
        },
        "capabilities": ["CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"],
        "read_only": True,
        "tmpfs": ["/run", "/tmp", "/var/cache/nginx"],  # noqa: S108 - inside the container
        "files": {"/etc/nginx/nginx.conf": CONFIG},
    }


def routes(app: App) -> list[tuple[str, Service, Route]]:
    """All routes with their services, longest path first."""
    found = [(name, service, route) for name, service in app.services.items() for route in service.routes]
    return sorted(found, key=lambda item: (-len(item[2].path), item[2].path))


def router_config(app: App, *, read_seconds: int, idle_seconds: int) -> str:
    """nginx.conf as a template: upstream hosts are references (``${service.api}``).

    read_seconds: silence of a service that is borne. idle_seconds: the load balancer's idle timeout.
    """
    return _HEAD.format(
        body=app.max_body_mb,
        seconds=read_seconds,
        keepalive=idle_seconds + 20,
        trusted=_lines(*(f"set_real_ip_from {network};" for network in _TRUSTED)),
        headers=_lines(*_headers(_COMMON_HEADERS)),
        locations="\n".join([_health(app), *(_location(*item) for item in routes(app))]),
    )


def _headers(headers: Mapping[str, str]) -> list[str]:
    return [f"proxy_set_header {name} {value};" for name, value in headers.items()]


def _health(app: App) -> str:
    name = app.health or next((service for service, _, route in routes(app) if route.path == "/"), None)
    service = app.services[name] if name else None
    if service is None or service.health is None or service.health.path is None:
        return _lines(f"location = {HEALTH_PATH} {{", "  access_log off;", "  return 204;", "}")
    return _lines(
        f"location = {HEALTH_PATH} {{",
        "  access_log off;",
        f"  set $upstream http://${{service.{name}}}:{service.port}{service.health.path};",
        "  proxy_pass $upstream;",
        "  proxy_connect_timeout 3s;",
        "  proxy_read_timeout 4s;",
        "}",
    )


def _location(name: str, service: Service, route: Route) -> str:
    """nginx hands down headers only to locations that set none; one with a header of its own repeats all."""
    own = {key: escape(value) for key, value in route.headers.items()}
    if route.websocket:
        own |= {"Upgrade": "$http_upgrade", "Connection": "$connection_upgrade"}
    return _lines(
        f"location {route.path} {{",
        # A variable makes nginx look the name up while it runs: a container or machine may get a new address.
        f"  set $upstream http://${{service.{name}}}:{service.port};",
        "  proxy_pass $upstream;",
        *(f"  {line}" for line in (_headers({**_COMMON_HEADERS, **own}) if own else ())),
        "}",
    )


_COMMON_HEADERS: Mapping[str, str] = {
    "Host": "$host",
    "X-Real-IP": "$remote_addr",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Host": "$host",
    "X-Forwarded-Port": "$cloudberth_port",
    "X-Forwarded-Proto": "$cloudberth_scheme",
    "Connection": '""',
}


def _lines(*lines: str) -> str:
    return "".join(f"    {line}\n" for line in lines)


_HEAD = """\
# One entry for all services of this machine. The load balancer ends TLS and sends everything here.
worker_processes auto;
error_log /dev/stderr warn;
pid /run/nginx.pid;

events {{
  worker_connections 4096;
}}

http {{
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  log_format entry escape=json '{{"ts":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
    '"path":"$uri","status":$status,"bytes":$body_bytes_sent,"seconds":$request_time,"upstream":"$upstream_addr",'
    '"agent":"$http_user_agent","trace":"$http_x_amzn_trace_id"}}';
  access_log /dev/stdout entry;
  server_tokens off;
  sendfile on;
  keepalive_timeout {keepalive}s; # above the load balancer's: that one must close idle connections
  keepalive_requests 10000;

  # Docker's name server: containers by name, everything else from the network.
  resolver 127.0.0.11 valid=10s ipv6=off;

  map $http_upgrade $connection_upgrade {{
    default upgrade;
    "" "";
  }}
  # What the client used, as the load balancer saw it.
  map $http_x_forwarded_proto $cloudberth_scheme {{
    default $scheme;
    https https;
    http http;
  }}
  map $cloudberth_scheme $cloudberth_port {{
    default 80;
    https 443;
  }}

  server {{
    listen 127.0.0.1:8079;
    access_log off;
    return 204;
  }}

  server {{
    listen 80 default_server;
    server_name _;
    client_max_body_size {body}m;
    large_client_header_buffers 8 32k;

    real_ip_header X-Forwarded-For;
    real_ip_recursive on;
{trusted}
    proxy_http_version 1.1;
    proxy_buffering off; # answers are streamed
    proxy_request_buffering off;
    proxy_connect_timeout 10s;
    proxy_read_timeout {seconds}s;
    proxy_send_timeout {seconds}s;
{headers}
{locations}  }}
}}
"""
