"""One test per trap of Dify's contract, and per mistake that other installations made.

The numbers are those of the contract's list; `test_every_trap_is_answered` keeps the list whole.
"""

from __future__ import annotations

import re
import ssl
import sys
from urllib.parse import unquote, urlsplit

import pytest
from app_cases import FACTS, RELEASES, SIZES, api_services, deployment, dify, secret, wired

from cloudberth.apps.catalog import app_of
from cloudberth.apps.connections import demand, max_connections, pools
from cloudberth.apps.model import App, groups_of
from cloudberth.apps.router import router_config
from cloudberth.apps.stack import stack
from cloudberth.environment.wire import wire
from cloudberth.errors import InvalidInput

NOT_HERE = {
    4: "Azure Blob: not a storage type of AWS",
    5: "Google Cloud Storage: not a storage type of AWS",
    7: "names that only stand in Dify's documents; the model of the settings refuses them",
    9: "ClickZetta: a user's own variables",
    10: "Tencent COS: not a storage type of AWS",
    20: "switching the vector store of existing data is a migration, not an environment",
    21: "Elasticsearch and OpenSearch: defects inside Dify's clients",
    23: "OpenDAL: not used, files are in S3",
    24: "Weaviate: not used; a user's own WEAVIATE_* variables pass through",
}


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(release: str) -> App:
    return dify(version=release)[0]


@pytest.fixture
def environments(release: str) -> dict[str, dict[str, str]]:
    return wired(version=release)


def of_api_image(app: App, environments: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: environments[name] for name in api_services(app)}


def test_every_trap_is_answered() -> None:
    tested = {
        int(number)
        for name in dir(sys.modules[__name__])
        if name.startswith("test_trap_")
        for number in re.findall(r"_(\d\d)(?=_)", name)
    }
    assert tested | set(NOT_HERE) == set(range(1, 26))
    assert not tested & set(NOT_HERE)


def test_trap_01_broker_tls_is_in_its_url(app: App, environments: dict[str, dict[str, str]]) -> None:
    for environment in of_api_image(app, environments).values():
        assert "BROKER_USE_SSL" not in environment
        assert environment["CELERY_BROKER_URL"].startswith("rediss://")


def test_celery_over_tls_says_how_to_check_certificates(
    app: App, environments: dict[str, dict[str, str]]
) -> None:
    """Celery stops at once with rediss:// and no ssl_cert_reqs; 'none' would accept any server."""
    for environment in of_api_image(app, environments).values():
        for name in ("CELERY_BROKER_URL", "EVENT_BUS_REDIS_URL"):
            assert urlsplit(environment[name]).query == "ssl_cert_reqs=required"
        assert environment["REDIS_SSL_CERT_REQS"] == "CERT_REQUIRED"
        assert hasattr(ssl, environment["REDIS_SSL_CERT_REQS"])


def test_passwords_in_urls_are_escaped(environments: dict[str, dict[str, str]]) -> None:
    url = urlsplit(environments["api"]["CELERY_BROKER_URL"])
    assert unquote(url.password or "") == secret("cache_password")
    assert url.username == ""  # a password alone, as ElastiCache asks for
    assert url.hostname == FACTS["cache"]["host"]


def test_a_cache_with_users(app: App) -> None:
    facts = {**FACTS, "cache": {**FACTS["cache"], "username": "di/fy"}}
    environments = wire(app, dify()[1], facts, secret)
    assert urlsplit(environments["api"]["CELERY_BROKER_URL"]).username == "di%2Ffy"
    assert environments["plugin_daemon"]["REDIS_USERNAME"] == "di/fy"


def test_trap_02_keyless_s3_has_no_endpoint(app: App, environments: dict[str, dict[str, str]]) -> None:
    for environment in of_api_image(app, environments).values():
        assert environment["S3_USE_AWS_MANAGED_IAM"] == "true"
        assert not {"S3_ENDPOINT", "S3_ADDRESS_STYLE", "S3_ACCESS_KEY", "S3_SECRET_KEY"} & set(environment)


def test_trap_03_the_bucket_and_its_region_are_given(
    app: App, environments: dict[str, dict[str, str]]
) -> None:
    """Dify would create a missing bucket, outside us-east-1 in vain: Terraform creates it."""
    for environment in of_api_image(app, environments).values():
        assert environment["S3_BUCKET_NAME"] == FACTS["storage"]["bucket"]
        assert environment["S3_REGION"] == FACTS["storage"]["region"]


def test_trap_06_and_16_secrets_are_given_and_all_different(
    app: App, environments: dict[str, dict[str, str]]
) -> None:
    for environment in of_api_image(app, environments).values():
        assert environment["SECRET_KEY"] == secret("secret_key")
    public_defaults = {"difyai123456", "dify-sandbox", "dify-api", "plugin-api-key", "inner-api-key"}
    values = {value for environment in environments.values() for value in environment.values()}
    assert not values & public_defaults
    assert not any(value.startswith(("sk-9f73", "lYkiYYT6", "QaHbTe77")) for value in values)
    assert len({secret(name) for name in app.secrets}) == len(app.secrets)


def test_shared_secrets_agree(environments: dict[str, dict[str, str]]) -> None:
    api, daemon, sandbox = environments["api"], environments["plugin_daemon"], environments["sandbox"]
    assert api["PLUGIN_DAEMON_KEY"] == daemon["SERVER_KEY"]
    assert api["INNER_API_KEY_FOR_PLUGIN"] == daemon["DIFY_INNER_API_KEY"]
    assert api["CODE_EXECUTION_API_KEY"] == sandbox["API_KEY"]
    assert (
        len({api["PLUGIN_DAEMON_KEY"], api["INNER_API_KEY_FOR_PLUGIN"], api["CODE_EXECUTION_API_KEY"]}) == 3
    )


def test_agent_secrets_agree_and_have_their_form() -> None:
    environments = wired(version="1.17.1")
    agent, api = environments["agent_backend"], environments["api"]
    assert agent["DIFY_AGENT_API_TOKEN"] == api["AGENT_BACKEND_API_TOKEN"]
    assert agent["DIFY_AGENT_INNER_API_KEY"] == api["INNER_API_KEY_FOR_PLUGIN"]
    assert agent["DIFY_AGENT_PLUGIN_DAEMON_API_KEY"] == environments["plugin_daemon"]["SERVER_KEY"]
    assert (
        agent["DIFY_AGENT_LOCAL_SANDBOX_AUTH_TOKEN"] == environments["local_sandbox"]["SHELLCTL_AUTH_TOKEN"]
    )
    assert dify(version="1.17.1")[0].secrets["agent_server_secret_key"].format == "base64url-32"


def test_agent_settings_have_the_names_of_1_17() -> None:
    """1.17.0 dropped DIFY_AGENT_SHELLCTL_*; those that upgraded with the old names restarted for ever."""
    assert not any("SHELLCTL" in name for name in wired(version="1.17.1")["agent_backend"])


def test_trap_08_no_sentinel_and_no_cluster(app: App, environments: dict[str, dict[str, str]]) -> None:
    """TLS is ignored with either, and Celery cannot use a cluster: one plain endpoint."""
    for environment in of_api_image(app, environments).values():
        assert not any("SENTINEL" in name or "CLUSTERS" in name for name in environment)
        assert environment["EVENT_BUS_REDIS_URL"].startswith("rediss://")


def test_redis_databases_are_apart() -> None:
    environments = wired(version="1.17.1")
    api = environments["api"]
    assert api["REDIS_DB"] == "0" == environments["plugin_daemon"]["REDIS_DB"]
    assert urlsplit(api["CELERY_BROKER_URL"]).path == "/1"
    assert urlsplit(environments["agent_backend"]["DIFY_AGENT_REDIS_URL"]).path == "/2"
    assert environments["plugin_daemon"]["REDIS_KEY_PREFIX"] == "plugin_daemon"
    assert dify()[0].queue is not None
    assert dify()[0].queue.database == 1  # type: ignore[union-attr]


def test_trap_11_the_migration_mode_is_switched_on(environments: dict[str, dict[str, str]]) -> None:
    assert environments["migration"]["MODE"] == "migration"
    assert environments["migration"]["MIGRATION_ENABLED"] == "true"


def test_trap_12_nothing_else_migrates(app: App, environments: dict[str, dict[str, str]]) -> None:
    for name, environment in of_api_image(app, environments).items():
        assert (environment["MIGRATION_ENABLED"] == "true") == (name == "migration")
    once = [name for name, service in app.services.items() if service.runs == "once"]
    assert once == ["database_setup", "migration"]


def test_a_users_variable_cannot_turn_migrations_on_everywhere() -> None:
    """The migration's own variables stay, whatever the file adds for all services."""
    app, chosen = dify()
    careless = chosen.model_copy(update={"env": {"MODE": "api", "MIGRATION_ENABLED": "false"}})
    environment = wire(app, careless, FACTS, secret)["migration"]
    assert (environment["MODE"], environment["MIGRATION_ENABLED"]) == ("migration", "true")


def test_trap_13_the_daemon_has_its_own_names(environments: dict[str, dict[str, str]]) -> None:
    daemon = environments["plugin_daemon"]
    assert daemon["S3_USE_AWS"] == "true" == daemon["S3_USE_AWS_MANAGED_IAM"]
    assert daemon["S3_USE_PATH_STYLE"] == "false"
    assert daemon["PLUGIN_STORAGE_TYPE"] == "aws_s3"
    assert daemon["PLUGIN_STORAGE_OSS_BUCKET"] == FACTS["storage"]["bucket"]
    assert daemon["AWS_REGION"] == FACTS["storage"]["region"]
    assert daemon["DB_DATABASE"] == "dify_plugin"
    forbidden = {
        "S3_BUCKET_NAME",
        "S3_REGION",
        "STORAGE_TYPE",
        "DB_EXTRAS",
        "CELERY_BROKER_URL",
        "S3_ENDPOINT",
    }
    assert not forbidden & set(daemon)
    assert not any(name.startswith("PLUGIN_S3_") for name in daemon)


def test_trap_14_the_daemons_database_tls(environments: dict[str, dict[str, str]]) -> None:
    assert environments["plugin_daemon"]["DB_SSL_MODE"] == "require"


def test_the_daemon_verifies_redis_without_a_file_of_its_own(environments: dict[str, dict[str, str]]) -> None:
    """CERT_REQUIRED makes it ask for REDIS_SSL_CA_CERTS ; CERT_OPTIONAL takes the system's."""
    daemon = environments["plugin_daemon"]
    assert daemon["REDIS_SSL_CERT_REQS"] == "CERT_OPTIONAL"
    assert "REDIS_SSL_CA_CERTS" not in daemon


def test_every_database_connection_is_encrypted(app: App, environments: dict[str, dict[str, str]]) -> None:
    for environment in of_api_image(app, environments).values():
        assert environment["DB_EXTRAS"] == "sslmode=require"
        assert environment["PGSSLMODE"] == "require"  # the pgvector client takes no sslmode of its own
    assert environments["database_setup"]["PGSSLMODE"] == "require"


def test_trap_15_logs_go_to_the_console(app: App, environments: dict[str, dict[str, str]]) -> None:
    for environment in of_api_image(app, environments).values():
        assert environment["LOG_FILE"] == ""
        assert environment["LOG_OUTPUT_FORMAT"] == "json"
        assert environment["ENABLE_REQUEST_LOGGING"] == "true"
        assert environment["LOG_LEVEL"] == "INFO"  # ERROR would hide what migrations do
    assert "LOG_FILE" not in environments["plugin_daemon"]


@pytest.mark.parametrize("level", ["DEBUG", "WARNING"])
def test_the_log_level_follows_the_file(level: str) -> None:
    environments = wired(f"logs: {{level: {level}}}\n")
    assert {environments[name]["LOG_LEVEL"] for name in ("api", "worker", "plugin_daemon")} == {level}


def test_trap_17_files_can_be_fetched(app: App, environments: dict[str, dict[str, str]]) -> None:
    for environment in of_api_image(app, environments).values():
        assert environment["FILES_URL"] == FACTS["public"]["url"]
        assert environment["INTERNAL_FILES_URL"] == "http://api:5001"
    assert groups_of(app.services["api"]) == ("app", "stateful"), "the daemon resolves api on its own machine"


def test_trap_18_workers_take_every_queue_and_beat_is_alone(
    app: App, environments: dict[str, dict[str, str]]
) -> None:
    for environment in of_api_image(app, environments).values():
        assert not {"CELERY_QUEUES", "CELERY_WORKER_QUEUES"} & set(environment), (
            "the image's default is whole"
        )
    assert app.services["worker_beat"].runs == "one"
    assert app.queue is not None
    assert set(app.queue.names) == {
        *(
            "api_token",
            "dataset",
            "dataset_summary",
            "priority_dataset",
            "priority_pipeline",
            "pipeline",
            "mail",
        ),
        *("ops_trace", "app_deletion", "plugin", "workflow_storage", "conversation", "workflow"),
        *(
            "schedule_poller",
            "schedule_executor",
            "triggered_workflow_dispatcher",
            "trigger_refresh_publisher",
        ),
        *("trigger_refresh_executor", "retention", "workflow_based_app_execution"),
    }


def test_trap_19_the_key_of_traces_has_two_names() -> None:
    text = (
        "tracing: {otlp_endpoint: 'https://otlp.example.com', headers_secret: 'secret:otlp', sampling: 0.5}\n"
    )
    environments = wired(text)
    for name in ("api", "worker"):
        assert environments[name]["ENABLE_OTEL"] == "true"
        assert environments[name]["OTLP_BASE_ENDPOINT"] == "https://otlp.example.com"
        assert environments[name]["OTEL_SAMPLING_RATE"] == "0.5"
        assert environments[name]["OTLP_API_KEY"].startswith("s3cr3t/external_otlp")
        assert "OTEL_API_KEY" not in environments[name]
    daemon = environments["plugin_daemon"]
    assert daemon["OTEL_API_KEY"] == environments["api"]["OTLP_API_KEY"]
    assert daemon["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
    assert "OTLP_API_KEY" not in daemon


def test_no_traces_without_an_endpoint() -> None:
    assert not [name for name in wired()["api"] if name.startswith(("OTLP", "OTEL", "ENABLE_OTEL"))]


@pytest.mark.parametrize("size", SIZES)
def test_trap_22_all_connections_fit_the_database(size: str) -> None:
    """Pools of all processes, with twice the most app machines (a rolling update), stay below the limit."""
    app, chosen = dify(size=size)
    environment = wire(app, chosen, FACTS, secret)["api"]
    each = (
        int(environment["SQLALCHEMY_POOL_SIZE"])
        + int(environment["SQLALCHEMY_MAX_OVERFLOW"])
        + int(environment["PGVECTOR_MAX_CONNECTION"])
    )
    machines = 2 * chosen.compute.app.max
    workers = int(environment["SERVER_WORKER_AMOUNT"])
    processes = machines * (workers + 1) + workers + 2  # api and worker; api, websocket and beat on the other
    daemon = int(wire(app, chosen, FACTS, secret)["plugin_daemon"]["DB_MAX_OPEN_CONNS"])
    assert demand(app, chosen) == (processes, daemon)
    assert processes * each + daemon < max_connections(chosen)
    assert int(environment["SQLALCHEMY_POOL_SIZE"]) >= 2


def test_a_database_that_is_too_small_is_refused() -> None:
    text = "database: {machine_type: db.t4g.micro}\ncompute: {app: {min: 20, max: 40}}\n"
    chosen = deployment(text)
    with pytest.raises(InvalidInput, match="too few for"):
        pools(app_of(chosen), chosen)


def test_pool_figures_agree_with_the_number_of_processes() -> None:
    for release in RELEASES:
        app, _ = dify(version=release)
        for name in ("api", "api_websocket"):
            for size in SIZES:
                amount = (
                    app.services[name]
                    .env_by_size.get(size, {})
                    .get(  # type: ignore[call-overload]
                        "SERVER_WORKER_AMOUNT", app.services[name].env.get("SERVER_WORKER_AMOUNT")
                    )
                )
                assert int(amount) == app.services[name].database_pools[size]  # type: ignore[index]
        assert app.services["plugin_daemon"].database_connections == int(
            app.services["plugin_daemon"].env["DB_MAX_OPEN_CONNS"]
        )


def test_trap_25_the_router_adds_the_hook_header_and_bears_silence(app: App) -> None:
    config = router_config(app, read_seconds=3600, idle_seconds=600)
    hook = config.split("location /e/ {")[1].split("}")[0]
    assert "Dify-Hook-Url $cloudberth_scheme://$host$request_uri" in config.split("location /e/ {")[1]
    assert "5002" in hook or "plugin_daemon" in hook
    assert "proxy_buffering off" in config
    assert "proxy_read_timeout 3600s" in config


@pytest.mark.parametrize(("idle", "expected"), [(60, 50), (300, 290), (600, 360), (4000, 360)])
def test_the_api_gives_up_before_the_load_balancer(idle: int, expected: int) -> None:
    environment = wired(f"access: {{idle_timeout_seconds: {idle}}}\n")["api"]
    assert int(environment["GUNICORN_TIMEOUT"]) == expected < idle


def test_the_router_keeps_connections_longer_than_the_load_balancer() -> None:
    files = stack(*dify("access: {idle_timeout_seconds: 900}\n"))
    assert "keepalive_timeout 920s" in files["app/files/router/router.conf"]


def test_bodies_may_be_as_large_as_uploads(app: App) -> None:
    largest = 100  # UPLOAD_VIDEO_FILE_SIZE_LIMIT, MB
    assert app.max_body_mb >= largest
    assert "client_max_body_size 100m" in router_config(app, read_seconds=1, idle_seconds=1)
    more, _ = dify("access: {max_body_mb: 300}\n")
    assert "client_max_body_size 300m" in router_config(more, read_seconds=1, idle_seconds=1)


def test_no_blank_switches_or_numbers(environments: dict[str, dict[str, str]]) -> None:
    """A blank boolean stops the plugin daemon, and Dify refuses blank numbers: only two texts are blank."""
    blank = {
        (s, n) for s, environment in environments.items() for n, value in environment.items() if value == ""
    }
    assert {name for _, name in blank} == {"LOG_FILE", "REDIS_USERNAME"}
    assert ("plugin_daemon", "LOG_FILE") not in blank


def test_urls_and_cookies_behind_a_load_balancer(environments: dict[str, dict[str, str]]) -> None:
    api, web = environments["api"], environments["web"]
    for name in ("CONSOLE_API_URL", "CONSOLE_WEB_URL", "SERVICE_API_URL", "APP_WEB_URL", "TRIGGER_URL"):
        assert api[name] == "https://dify.example.com"  # the scheme of CONSOLE_API_URL marks cookies secure
    assert api["ENDPOINT_URL_TEMPLATE"] == "https://dify.example.com/e/{hook_id}"
    assert api["RESPECT_XFORWARD_HEADERS_ENABLED"] == "true"
    assert web["NEXT_PUBLIC_SOCKET_URL"] == "wss://dify.example.com"
    assert web["SERVER_CONSOLE_API_URL"] == "http://api:5001"
    assert "COOKIE_DOMAIN" not in api  # one host: a domain would widen the cookie
    assert "127.0.0.1" not in api["MARKETPLACE_API_URL"]


def test_exactly_one_websocket_process(app: App, environments: dict[str, dict[str, str]]) -> None:
    assert app.services["api_websocket"].runs == "one"
    environment = environments["api_websocket"]
    assert environment["SERVER_WORKER_AMOUNT"] == "1"
    assert environment["SERVER_WORKER_CLASS"].endswith("GeventWebSocketWorker")
    assert [route.path for route in app.services["api_websocket"].routes if route.websocket] == [
        "/socket.io/"
    ]
