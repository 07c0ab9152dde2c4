"""Pydantic models of what each container of Dify reads, made from documented names, types and defaults.

The model of the API image comes from ``dify_settings.csv`` (Dify 1.15.0's settings classes, see
tools/dify_settings.py); names that these classes do not have, but that the image or a later release reads,
are listed with the place that says so. The others are written down here. No model takes an unknown name.
"""

from __future__ import annotations

import base64
import csv
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    Json,
    NegativeInt,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    create_model,
)

_TYPES: dict[str, Any] = {
    "Any": Any,
    "AuthMethod": Literal["basic", "aws_managed_iam"],
    "HttpUrl": HttpUrl,
    "Literal": Literal,
    "NegativeInt": NegativeInt,
    "NonNegativeFloat": NonNegativeFloat,
    "NonNegativeInt": NonNegativeInt,
    "Optional": Optional,
    "PositiveFloat": PositiveFloat,
    "PositiveInt": PositiveInt,
    "TemplateMode": Literal["unsafe", "sandbox", "disabled"],
    "_VALID_STORAGE_TYPE": Literal[
        *("aliyun-oss", "azure-blob", "baidu-obs", "clickzetta-volume", "google-storage", "huawei-obs"),
        *("local", "oci-storage", "opendal", "s3", "supabase", "tencent-cos", "volcengine-tos"),
    ],
    "dict": Json,
}
FILE = Path(__file__).with_name("dify_settings.csv")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


def rows() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _type(text: str) -> Any:
    text = re.sub(r"dict\[.*?\]", "dict", text)
    return eval(text, {"__builtins__": {}}, {**_TYPES, "str": str, "int": int, "float": float, "bool": bool})


Text = Annotated[str, Field(min_length=1)]
Switch = bool
Port = Annotated[int, Field(ge=1, le=65535)]
RedisUrl = Annotated[
    str, Field(pattern=r"^rediss://[^:/@]*:[^:/@]+@[^:/@]+:\d+/\d+\?ssl_cert_reqs=required$")
]
HttpAddress = Annotated[str, Field(pattern=r"^https?://[^/\s]+[^/\s]*$")]


def _is_a_key(value: str) -> str:
    if len(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))) != 32 or "=" in value:
        raise ValueError("not 32 bytes of unpadded base64url")
    return value


ServerKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$"), AfterValidator(_is_a_key)]

# Read by the image's entry point or by libraries, not by the settings classes.
IMAGE_READS: dict[str, tuple[Any, str]] = {
    "MODE": (Literal["api", "worker", "beat", "migration"], "entry point"),
    "MIGRATION_ENABLED": (Switch, "entry point"),
    "DIFY_BIND_ADDRESS": (Text, "entry point"),
    "DIFY_PORT": (Port, "entry point"),
    "SERVER_WORKER_AMOUNT": (PositiveInt, "entry point"),
    "SERVER_WORKER_CLASS": (
        Literal["gevent", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"],
        "entry point; docs, Container Startup Configuration",
    ),
    "SERVER_WORKER_CONNECTIONS": (PositiveInt, "entry point"),
    "GUNICORN_TIMEOUT": (PositiveInt, "entry point"),
    "CELERY_WORKER_AMOUNT": (PositiveInt, "entry point"),
    "INIT_PASSWORD": (Annotated[str, Field(min_length=1, max_length=30)], "docs, INIT_PASSWORD: 30 at most"),
    "CONSOLE_CORS_ALLOW_ORIGINS": (Text, "docs, CORS Configuration"),
    "WEB_API_CORS_ALLOW_ORIGINS": (Text, "docs, CORS Configuration"),
    "LANG": (Text, "docs, System Encoding"),
    "LC_ALL": (Text, "docs, System Encoding"),
    "PYTHONIOENCODING": (Text, "docs, System Encoding"),
    "UV_CACHE_DIR": (Text, "docs, System Encoding"),
    "PGSSLMODE": (Literal["require", "verify-ca", "verify-full"], "libpq, which the pgvector client uses"),
}
# Names that 1.15.0 does not know and later releases do.
SINCE_1_16: dict[str, tuple[Any, str]] = {
    "AGENT_BACKEND_API_TOKEN": (Text, "docs 1.16: must equal the agent backend's DIFY_AGENT_API_TOKEN"),
}
# Without these, or with their defaults, a production installation does not work or is not safe.
NEEDED = (
    *("SECRET_KEY", "CONSOLE_API_URL", "CONSOLE_WEB_URL", "SERVICE_API_URL", "APP_WEB_URL", "TRIGGER_URL"),
    *("FILES_URL", "INTERNAL_FILES_URL", "ENDPOINT_URL_TEMPLATE", "DB_HOST", "DB_USERNAME", "DB_PASSWORD"),
    *("DB_DATABASE", "DB_EXTRAS", "REDIS_HOST", "REDIS_PASSWORD", "REDIS_USE_SSL", "CELERY_BROKER_URL"),
    *(
        "PUBSUB_REDIS_URL",
        "STORAGE_TYPE",
        "VECTOR_STORE",
        "CODE_EXECUTION_ENDPOINT",
        "CODE_EXECUTION_API_KEY",
    ),
    *("PLUGIN_DAEMON_URL", "PLUGIN_DAEMON_KEY", "INNER_API_KEY_FOR_PLUGIN", "SSRF_PROXY_HTTP_URL"),
    *("SSRF_PROXY_HTTPS_URL",),
)


def dify_model(release: str) -> type[Strict]:
    """Settings of the API image at a release."""
    fields: dict[str, Any] = {}
    for row in rows():
        kind = _type(row["type"])
        aliases = row["aliases"].split() or [row["name"]]
        needed = row["name"] in NEEDED
        choice = AliasChoices(*aliases)
        fields[row["name"].lower()] = (
            (kind, Field(validation_alias=choice)) if needed else (kind, Field(None, validation_alias=choice))
        )
    extra = IMAGE_READS | (SINCE_1_16 if release != "1.15.0" else {})
    fields |= {name: (kind, None) for name, (kind, _) in extra.items()}
    fields["MODE"] = (IMAGE_READS["MODE"][0], ...)
    fields["MIGRATION_ENABLED"] = (Switch, ...)
    return create_model(f"Dify{release}", __base__=Strict, **fields)


class PluginDaemon(Strict):
    """langgenius/dify-plugin-daemon: its configuration struct (0.6.x), as far as AWS needs it."""

    SERVER_PORT: Port
    SERVER_KEY: Text
    GIN_MODE: Literal["release", "debug"] = "release"
    PLATFORM: Literal["local", "serverless"]
    DIFY_INNER_API_URL: HttpAddress
    DIFY_INNER_API_KEY: Text
    PLUGIN_STORAGE_TYPE: Literal[
        *("local", "aws_s3", "tencent_cos", "azure_blob", "gcs", "aliyun_oss", "huawei_obs", "volcengine_tos")
    ]
    PLUGIN_STORAGE_OSS_BUCKET: Text
    PLUGIN_STORAGE_LOCAL_ROOT: Text = "storage"
    S3_USE_AWS: Switch
    S3_USE_AWS_MANAGED_IAM: Switch
    S3_USE_PATH_STYLE: Switch
    AWS_REGION: Text
    PLUGIN_WORKING_PATH: Text
    PLUGIN_INSTALLED_PATH: Text
    PLUGIN_PACKAGE_CACHE_PATH: Text
    PLUGIN_MEDIA_CACHE_PATH: Text
    PLUGIN_REMOTE_INSTALLING_ENABLED: Switch
    PLUGIN_REMOTE_INSTALLING_HOST: Text
    PLUGIN_REMOTE_INSTALLING_PORT: Port
    PLUGIN_MAX_EXECUTION_TIMEOUT: PositiveInt
    PYTHON_ENV_INIT_TIMEOUT: PositiveInt
    MAX_PLUGIN_PACKAGE_SIZE: PositiveInt
    FORCE_VERIFYING_SIGNATURE: Switch
    DB_TYPE: Literal["postgresql", "pgbouncer", "mysql", "oceanbase", "seekdb"]
    DB_HOST: Text
    DB_PORT: Port
    DB_USERNAME: Text
    DB_PASSWORD: Text
    DB_DATABASE: Text
    DB_DEFAULT_DATABASE: Text
    DB_SSL_MODE: Literal["disable", "require"]
    DB_MAX_IDLE_CONNS: PositiveInt
    DB_MAX_OPEN_CONNS: PositiveInt
    REDIS_HOST: Text
    REDIS_PORT: Port
    REDIS_USERNAME: str = ""
    REDIS_PASSWORD: Text
    REDIS_DB: NonNegativeInt
    REDIS_KEY_PREFIX: Text
    REDIS_USE_SSL: Switch
    REDIS_SSL_CERT_REQS: Literal["CERT_NONE", "CERT_OPTIONAL", "CERT_REQUIRED"]
    REDIS_SSL_CA_CERTS: Text | None = None
    ENABLE_OTEL: Switch = False
    OTLP_BASE_ENDPOINT: HttpAddress | None = None
    OTEL_API_KEY: Text | None = None
    OTEL_EXPORTER_TYPE: Literal["otlp", "console"] = "otlp"
    OTEL_EXPORTER_OTLP_PROTOCOL: Literal["http/protobuf", "grpc"] = "http/protobuf"
    OTEL_SAMPLING_RATE: Annotated[float, Field(ge=0, le=1)] = 1.0
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    LOG_OUTPUT_FORMAT: Literal["text", "json"] = "text"


class Web(Strict):
    """langgenius/dify-web: what the start script hands to the pages (docs, web.env of the release)."""

    CONSOLE_API_URL: HttpAddress
    APP_API_URL: HttpAddress
    SERVER_CONSOLE_API_URL: HttpAddress
    NEXT_PUBLIC_SOCKET_URL: Annotated[str, Field(pattern=r"^wss?://[^/\s]+$")]
    NEXT_PUBLIC_ENABLE_AGENT_V2: Switch
    NEXT_TELEMETRY_DISABLED: Literal["1"]
    MARKETPLACE_ENABLED: Switch
    MARKETPLACE_API_URL: HttpAddress
    MARKETPLACE_URL: HttpAddress


class Sandbox(Strict):
    """langgenius/dify-sandbox 0.2.15: the variables that its configuration takes from the environment."""

    API_KEY: Text
    GIN_MODE: Literal["release", "debug"]
    SANDBOX_PORT: Port
    WORKER_TIMEOUT: PositiveInt
    ENABLE_NETWORK: Switch
    HTTP_PROXY: HttpAddress
    HTTPS_PROXY: HttpAddress


class AgentBackend(Strict):
    """langgenius/dify-agent-backend: the server's settings (its operating guide, 1.16.1 and 1.17)."""

    DIFY_AGENT_REDIS_URL: RedisUrl
    DIFY_AGENT_REDIS_PREFIX: Text = "dify-agent"
    DIFY_AGENT_SHUTDOWN_GRACE_SECONDS: PositiveFloat = 30
    DIFY_AGENT_PLUGIN_DAEMON_URL: HttpAddress
    DIFY_AGENT_PLUGIN_DAEMON_API_KEY: Text
    DIFY_AGENT_INNER_API_URL: HttpAddress
    DIFY_AGENT_INNER_API_KEY: Text
    DIFY_AGENT_API_TOKEN: Text
    DIFY_AGENT_SERVER_SECRET_KEY: ServerKey
    DIFY_AGENT_RUNTIME_BACKEND: Literal["local", "enterprise", "e2b"]
    DIFY_AGENT_LOCAL_SANDBOX_ENDPOINT: HttpAddress
    DIFY_AGENT_LOCAL_SANDBOX_AUTH_TOKEN: Text
    DIFY_AGENT_STUB_API_BASE_URL: Annotated[str, Field(pattern=r"^https?://[^/\s]+/agent-stub$")]
    DIFY_AGENT_SANDBOX_FILES_BASE_URL: HttpAddress


class LocalSandbox(Strict):
    """langgenius/dify-agent-local-sandbox: shellctl's variables (dify-agent-runtime, internal/envvar)."""

    SHELLCTL_AUTH_TOKEN: Text
    SHELLCTL_ENABLE_PATH_ISOLATION: Literal["true", "false"]
    HTTP_PROXY: HttpAddress
    HTTPS_PROXY: HttpAddress
    NO_PROXY: Text


class Psql(Strict):
    """libpq's variables (PostgreSQL manual, 34.15)."""

    PGHOST: Text
    PGPORT: Port
    PGUSER: Text
    PGPASSWORD: Text
    PGDATABASE: Text
    PGSSLMODE: Literal["require", "verify-ca", "verify-full"]
    PGCONNECT_TIMEOUT: PositiveInt


class Nothing(Strict):
    """Configured by a file; takes no variable."""


def model_of(service: str, release: str) -> type[Strict]:
    """The model of what a service of a release reads."""
    others: dict[str, type[Strict]] = {
        "plugin_daemon": PluginDaemon,
        "web": Web,
        "sandbox": Sandbox,
        "agent_backend": AgentBackend,
        "local_sandbox": LocalSandbox,
        "database_setup": Psql,
        "router": Nothing,
        "ssrf_proxy": Nothing,
        "agent_ssrf_proxy": Nothing,
    }
    return others.get(service) or dify_model(release)
