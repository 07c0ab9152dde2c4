"""Loading: files as such, places, what YAML means, variables, secrets, sizes, and how fast it is."""

from __future__ import annotations

import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from cloudberth.deployment import Deployment, load, load_text
from cloudberth.deployment.document import MAX_BYTES, MAX_DEPTH, MAX_VALUES, read
from cloudberth.errors import InvalidDeployment, Problem

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HEAD = "name: dify\napp: dify\ncloud: aws\nregion: eu-central-1\n"
OWN = """\
name: handbook
app: custom
cloud: aws
region: eu-west-1
services:
  web:
    image: ghcr.io/example/handbook:2.4.0
    resources: {cpu: 1, memory_mb: 1024}
"""


def problems(
    text: str | bytes, environment: dict[str, str] | None = None, *, tmp: Path | None = None
) -> list[Problem]:
    """What is wrong with a file; bytes are written to disk first."""
    with pytest.raises(InvalidDeployment) as caught:
        if isinstance(text, bytes):
            assert tmp is not None
            (tmp / "berth.yaml").write_bytes(text)
            load(tmp / "berth.yaml", environment or {})
        else:
            load_text(text, "berth.yaml", environment or {})
    return list(caught.value.problems)


def messages(
    text: str | bytes, environment: dict[str, str] | None = None, *, tmp: Path | None = None
) -> list[str]:
    found = [str(problem) for problem in problems(text, environment, tmp=tmp)]
    return [line.replace(f"{tmp}/", "") if tmp else line for line in found]


def loaded(text: str, environment: dict[str, str] | None = None) -> Deployment:
    return load_text(text, "berth.yaml", environment or {})


# --- the examples


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*-*.yaml")), ids=lambda path: path.name)
def test_example_loads(path: Path) -> None:
    assert isinstance(load(path, {}), Deployment)


def test_four_lines_are_enough() -> None:
    lines = [
        line for line in (EXAMPLES / "dify-aws.yaml").read_text().splitlines() if line and line[0] != "#"
    ]
    assert len(lines) == 4
    deployment = load(EXAMPLES / "dify-aws.yaml", {})
    assert (deployment.size, deployment.compute.app.machine_types) == ("small", ("t4g.large",))
    assert deployment.budget is not None
    assert deployment.database is not None
    assert deployment.cache is not None


def test_a_deployment_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded(HEAD).name = "other"  # type: ignore[misc]


# --- the file itself


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidDeployment) as caught:
        load(tmp_path / "nowhere.yaml", {})
    assert str(caught.value) == f"{tmp_path}/nowhere.yaml: there is no such file (`berth init` writes one)"
    assert caught.value.exit_code == 2


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidDeployment, match="this is a folder, not a file"):
        load(tmp_path, {})


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    loop = tmp_path / "berth.yaml"
    loop.symlink_to(loop)
    with pytest.raises(InvalidDeployment, match="the file cannot be read: too many levels of symbolic links"):
        load(loop, {})


def test_path_with_a_null_byte() -> None:
    with pytest.raises(InvalidDeployment, match="the file cannot be read"):
        load(Path("berth\0.yaml"), {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "berth.yaml: the file is empty (`berth init` writes one to start from)"),
        (b"\xef\xbb\xbf", "berth.yaml: the file is empty (`berth init` writes one to start from)"),
        (b"\x7fELF\x02\x01\x01\0\0", "berth.yaml: the file is binary, not text (is this the right file?)"),
        (b"\x89PNG\r\n\x1a\n\0\0", "berth.yaml: the file is binary, not text (is this the right file?)"),
        ("name: dify\n".encode("utf-16"), "berth.yaml: the file is UTF-16 (save it as UTF-8)"),
        (
            b"name: dify\ntags:\n  team: caf\xe9\n",
            "berth.yaml:3:12: the text is not valid UTF-8 here (save the file as UTF-8)",
        ),
        (
            b"name: dify\ntags:\n  team: a\x1b[31mb\n",
            "berth.yaml:3:10: the file contains the control character U+001B (is this a text file?)",
        ),
        (b"a" * (MAX_BYTES + 1), "berth.yaml: the file is larger than 256 KiB (is this the right file?)"),
    ],
    ids=["empty", "only a byte order mark", "program", "picture", "utf-16", "latin-1", "control", "large"],
)
def test_content_that_is_no_deployment(content: bytes, message: str, tmp_path: Path) -> None:
    assert messages(content, tmp=tmp_path) == [message]


def test_ten_megabytes_are_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "berth.yaml"
    file.write_bytes(b"- [a, b]\n" * 1_200_000)
    assert file.stat().st_size > 10_000_000
    start = time.process_time()
    with pytest.raises(InvalidDeployment, match="larger than 256 KiB"):
        load(file, {})
    assert time.process_time() - start < 0.1


def test_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "berth.yaml").write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert load(tmp_path / "berth.yaml", {}).name == "dify"


def test_windows_line_ends() -> None:
    assert loaded(HEAD.replace("\n", "\r\n")).name == "dify"
    (problem,) = problems(HEAD.replace("\n", "\r\n") + "size: big\r\n")
    assert (problem.line, problem.column) == (5, 7)


# --- places


def place(text: str) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.path) for problem in problems(text)]


def test_unknown_key_is_shown_at_the_key() -> None:
    assert place(HEAD + "network:\n  zonse:   3\n") == [(6, 3, "network.zonse")]


def test_wrong_value_is_shown_at_the_value() -> None:
    assert place(HEAD + "network:\n  zones:   9\n") == [(6, 12, "network.zones")]


def test_missing_key_is_shown_at_its_parent() -> None:
    assert place(HEAD + "suppress:\n  - resource: a\n    id: a.b\n") == [(6, 5, "suppress[0].reason")]


def test_item_of_a_list() -> None:
    text = HEAD + "alarms:\n  emails:\n    - ops@example.com\n    - nobody\n"
    assert place(text) == [(8, 7, "alarms.emails[1]")]


def test_columns_count_characters_not_bytes() -> None:
    assert place(HEAD + "tags: {größe: ok, team: 'aws', 'aws:ä': b}\n") == [(5, 32, 'tags["aws:ä"]')]


def test_place_of_a_value_that_stands_behind_an_alias() -> None:
    text = HEAD + "x-zones: &zones 7\nnetwork:\n  zones: *zones\n"
    assert place(text) == [(5, 10, "network.zones")]


def test_problems_come_in_the_order_of_the_file() -> None:
    text = HEAD + "size: big\nlogs: {retention_days: 4000}\nnetwork: {zones: 9}\nfoo: 1\n"
    assert [line for line, _, _ in place(text)] == [5, 6, 7, 8]


def test_one_mistake_does_not_hide_the_others() -> None:
    """A wrong type, an unknown key, and a rule between sections are reported together."""
    text = (
        HEAD.replace("eu-central-1", "mars")
        + "logs: {retention_days: x}\ndomain: {name: dify.example.com}\nfoo: 1\n"
    )
    assert [path for _, _, path in place(text)] == ["region", "logs.retention_days", "domain", "foo"]


def test_rules_on_broken_values_stay_silent() -> None:
    """min is wrong, so nothing is said about min and max; the region is wrong, so nothing about its zones."""
    text = HEAD.replace("eu-central-1", "mars") + "network: {zones: 3}\ncompute: {app: {min: x, max: 1}}\n"
    assert [path for _, _, path in place(text)] == ["region", "compute.app.min"]


# --- what YAML means


def test_text_is_taken_as_it_stands() -> None:
    deployment = loaded(
        HEAD + "tags: {a: 1.10, b: 0x1F, c: 010, d: no, e: 1:30, f: 2026-01-01, g: True, h: 1e3, i: 1_000}\n"
        "database: {version: 16.10}\ncache: {version: 8.0}\n"
    )
    assert list(deployment.tags.values()) == [
        "1.10",
        "0x1F",
        "010",
        "no",
        "1:30",
        "2026-01-01",
        "True",
        "1e3",
        "1_000",
    ]
    assert deployment.database is not None
    assert deployment.cache is not None
    assert (deployment.database.version, deployment.cache.version) == ("16.10", "8.0")


def test_keys_are_text() -> None:
    assert [problem.path for problem in problems(HEAD + "on: 1\n1: 2\ntrue: 3\n2026-01-01: 4\n")] == [
        "on",
        "1",
        "true",
        "2026-01-01",
    ]
    assert loaded(HEAD + "tags: {1: a, no: b}\n").tags == {"1": "a", "no": "b"}


def test_numbers_are_plain_decimals() -> None:
    deployment = loaded(HEAD + "budget: {amount: 12.5}\ntracing: {sampling: 1}\nalarms: {queue_depth: +7}\n")
    assert deployment.budget is not None
    assert (deployment.budget.amount, deployment.tracing.sampling, deployment.alarms.queue_depth) == (
        12.5,
        1.0,
        7,
    )


def test_usage_is_exact() -> None:
    assert loaded(HEAD + "usage: {storage_gb: 0.1}\n").usage == {"storage_gb": Decimal("0.1")}


def test_nothing_behind_a_key_is_the_same_as_no_key() -> None:
    assert loaded(HEAD + "compute:\nbudget:\nlogs:\n  level:\n") == loaded(HEAD)


def test_null_switches_off() -> None:
    assert loaded(HEAD + "budget: null\n").budget is None
    assert (
        loaded(OWN + "database: ~\nvector: {store: qdrant, env: {QDRANT_URL: http://q}}\n").database is None
    )


def test_anchors_aliases_and_merge_keys() -> None:
    deployment = loaded(
        HEAD + "x-common: &common {team: platform, tier: web}\n"
        "tags:\n  <<: *common\n  tier: api\nenv: {<<: [{A: 1}, {A: 2, B: 3}], C: 4}\n"
    )
    assert deployment.tags == {"team": "platform", "tier": "api"}
    assert deployment.env == {"A": "1", "B": "3", "C": "4"}


def test_a_mistake_behind_an_alias_is_one_mistake() -> None:
    text = (
        OWN
        + "    env: &env {MAIL_TOKEN: abc}\n"
        + "  worker:\n    image: a:1\n    resources: {cpu: 1, memory_mb: 9}\n    env: *env\n"
    )
    assert [problem.path for problem in problems(text)] == ["services.web.env.MAIL_TOKEN"]


def test_alias_bomb() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    start = time.process_time()
    (message,) = messages(bomb)
    assert time.process_time() - start < 0.5
    assert message.endswith(
        f"holds more than {MAX_VALUES:,} values, aliases written out (is this the right file?)"
    )


@pytest.mark.parametrize(
    "text", ["[" * 5000, "- " * 5000 + "a", "{a: " * 5000, "".join(" " * i + "a:\n" for i in range(400))]
)
def test_deep_nesting(text: str) -> None:
    (message,) = messages(text)
    assert f"is nested more than {MAX_DEPTH} levels deep" in message


def test_tags_of_yaml_itself_are_known() -> None:
    assert loaded(HEAD + "tags: !!map {a: !!str 5}\nlogs: {retention_days: !!int 30}\n").tags == {"a": "5"}


def test_no_object_is_ever_made() -> None:
    document = read("a: !!python/object/apply:os.system ['true']\n", "berth.yaml")
    assert [problem.what for problem in document.problems] == [
        "the tag !!python/object/apply:os.system has no meaning here"
    ]


# --- variables


def test_variables_are_filled_in_everywhere() -> None:
    deployment = loaded(
        'name: ${NAME}\napp: dify\ncloud: aws\nregion: "${REGION}"\nsize: ${SIZE:-medium}\n'
        'budget: {amount: "${BUDGET}"}\nlogs: {retention_days: "${DAYS:-90}"}\n'
        'tags: {a: "${NAME}-${REGION}", b: "$${NAME}"}\n'
        "access: {waf: '${WAF}'}\n",
        {"NAME": "shop", "REGION": "us-east-1", "BUDGET": "250", "WAF": "true"},
    )
    assert (deployment.name, deployment.region, deployment.size) == ("shop", "us-east-1", "medium")
    assert deployment.budget is not None
    assert (deployment.budget.amount, deployment.logs.retention_days) == (250.0, 90)
    assert deployment.tags == {"a": "shop-us-east-1", "b": "${NAME}"}
    assert deployment.access.waf is True


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_NAME", "platform")
    assert load_text(HEAD + "tags: {team: '${TEAM_NAME}'}\n").tags == {"team": "platform"}


def test_a_variable_stays_one_value() -> None:
    """It is never read as YAML, never as nothing, and never as a reference of the deployment."""
    values = {"A": "x, b: y}", "B": "", "C": "null", "D": "${database.host}"}
    deployment = loaded(HEAD + 'env: {A: "${A}", B: "${B}", C: "${C}", D: "${D}"}\n', values)
    assert deployment.env == {"A": "x, b: y}", "B": "", "C": "null", "D": "$${database.host}"}


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "x" * 5000])
def test_a_variable_that_is_no_single_line(value: str) -> None:
    (message,) = messages(HEAD + "tags: {a: '${X}'}\n", {"X": value})
    assert (
        message
        == "berth.yaml:5:11 tags.a: the environment variable X is no single line of at most 4096 characters"
    )


def test_an_unset_variable_is_the_only_problem_of_its_value() -> None:
    (message,) = messages(HEAD + "compute: {app: {min: '${MIN}'}}\n")
    assert message.startswith("berth.yaml:5:22 compute.app.min: the environment variable MIN is not set")


def test_values_of_variables_do_not_get_into_messages() -> None:
    secret = "hunter2-and-more"
    text = (
        "name: ${S}\napp: ${S}\ncloud: aws\nregion: ${S}\n"
        'tags: {"a": "${S}€"}\nbudget: {amount: "${S}", emails: ["${S}"]}\n'
        'env: {A_PASSWORD: "${S}", U: "http://u:${S}@h"}\n'
        'compute: {image: "${S}", app: {machine_types: ["${S}"]}}\n'
        'vector: {store: "${S}"}\ndomain: "${S}"\nlogs: {level: "${S}"}\n'
        'network: {cidr: "${S}", endpoints: ["${S}"]}\n'
    )
    found = messages(text, {"S": secret})
    assert len(found) >= 12
    assert not [line for line in found if "hunter2" in line]


# --- secrets


def test_references_to_secrets() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/mail-AbCdEf"
    deployment = loaded(
        HEAD + f"env: {{MAIL_API_KEY: secret:{arn}, OTHER_TOKEN: secret:prod/other}}\n"
        "tracing: {otlp_endpoint: 'https://otlp.example.com', headers_secret: secret:prod/other}\n"
        "vector:\n  store: qdrant\n"
        "  env: {QDRANT_URL: 'https://q.example.com', QDRANT_API_KEY: 'secret:${STAGE}/qdrant'}\n"
        "services: {worker: {env: {SENTRY_TOKEN: secret:prod/sentry}}}\n",
        {"STAGE": "prod"},
    )
    assert sorted(deployment.secret_references.values()) == [arn, "prod/other", "prod/qdrant", "prod/sentry"]
    assert all(name.startswith("external_") for name in deployment.secret_references)
    assert deployment.overrides["worker"].env == {"SENTRY_TOKEN": "secret:prod/sentry"}


def test_names_of_references_are_stable_and_apart() -> None:
    names = loaded(HEAD + "env: {A_TOKEN: secret:prod/key, B_TOKEN: secret:prod-key}\n").secret_references
    assert names == {"external_prod_key_8bb09d": "prod/key", "external_prod_key_037abd": "prod-key"}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "SMTP_PASSWORD",
            "SECRET_KEY",
            "OPENAI_API_KEY",
            "AWS_ACCESS_KEY_ID",
            "github_token",
            "VIKINGDB_ACCESS_KEY",
        ),
        *("TIDB_PRIVATE_KEY", "CHROMA_AUTH_CREDENTIALS", "SMTP_PASSWD", "X_APIKEY", "SECRET_KEY_BASE"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    (problem,) = problems(HEAD + f"services: {{worker: {{env: {{{name}: hunter2}}}}}}\n")
    assert "secrets never stand in the file" in problem.what
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "MAX_TOKENS",
            "TOKENIZER",
            "ACCESS_TOKEN_EXPIRE_MINUTES",
            "PASSWORD_LOGIN_ENABLED",
            "OAUTH_TOKEN_URL",
        ),
        *("KEYWORD_DATA_SOURCE_TYPE", "SECRET_NAME", "MONKEY", "API_KEY_HEADER", "REDIS_KEY_PREFIX"),
    ],
)
def test_names_that_only_sound_like_secrets(name: str) -> None:
    assert loaded(HEAD + f"services: {{worker: {{env: {{{name}: hunter2}}}}}}\n").overrides["worker"].env


def test_a_generated_secret_may_stand_in_a_variable() -> None:
    text = (
        OWN
        + "    env: {SESSION_SECRET: '${secret.session_key}', URL: 'redis://:${secret.cache_password|url}@h'}\n"
    )
    assert loaded(text + "secrets: {session_key: {length: 48}}\n").secrets["session_key"].length == 48


# --- sizes and services


def test_the_file_lies_over_the_size() -> None:
    deployment = loaded(
        HEAD + "size: medium\ncompute:\n  app:\n    machine_types: [m7g.2xlarge]\n    max: 6\n"
    )
    app = deployment.compute.app
    assert (app.machine_types, app.min, app.max, app.spot_percent) == (("m7g.2xlarge",), 2, 6, 50)
    assert deployment.compute.stateful.machine_type == "m7g.xlarge"


def test_services_stay_as_they_stand_in_the_file() -> None:
    deployment = loaded(HEAD + "services: {worker: {env: {A: 1}, resources: {cpu: 2, memory_mb: 2048}}}\n")
    assert deployment.services == {
        "worker": {"env": {"A": "1"}, "resources": {"cpu": 2.0, "memory_mb": 2048}}
    }
    assert deployment.own_services == {}


def test_resources_of_own_services_are_those_of_the_size() -> None:
    deployment = loaded(OWN)
    assert set(deployment.own_services["web"].resources) == {"small"}
    assert deployment.overrides == {}
    (problem,) = problems(OWN.replace("cpu: 1", "cpu: x"))
    assert problem.path == "services.web.resources.cpu"


# --- speed and weight


def test_loading_is_fast() -> None:
    load(EXAMPLES / "dify-aws-large.yaml", {})
    start = time.process_time()
    load(EXAMPLES / "dify-aws-large.yaml", {})
    assert time.process_time() - start < 0.15


def test_first_load_is_fast_and_light() -> None:
    """In a fresh process: less than 0.15 s after the import, and nothing heavy is loaded."""
    program = (
        "import sys, time; from pathlib import Path; from cloudberth.deployment import load\n"
        f"start = time.process_time(); load(Path({str(EXAMPLES / 'dify-aws-large.yaml')!r}), {{}})\n"
        "print(time.process_time() - start)\n"
        "print(sorted({'grpc', 'boto3', 'botocore', 'rich', 'click'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, heavy = run.stdout.splitlines()
    assert float(seconds) < 0.15
    assert heavy == "[]"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("0 20 * * MON-FRI", "0 20 * * 1-5"),
        ("0  8 * JAN,jul  *", "0 8 * 1,7 *"),
        ("*/15 0-6/2 1 * SAT-SUN", "*/15 0-6/2 1 * 6-7"),
        ("05 07 * * 7", "5 7 * * 7"),
    ],
)
def test_cron_is_kept_in_its_plainest_form(written: str, plain: str) -> None:
    """Numbers and single spaces: not every cron takes ranges of names."""
    text = HEAD + f'compute: {{schedules: [{{name: a, cron: "{written}", min: 1, max: 1}}]}}\n'
    assert loaded(text).compute.schedules[0].cron == plain


def test_time_zones_are_checked_without_zone_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slim machine has none: then only the form of the name is looked at."""
    monkeypatch.setattr("cloudberth.deployment.model.cron.time_zones", frozenset)
    text = HEAD + 'compute: {schedules: [{name: a, cron: "0 1 * * *", min: 1, max: 1, time_zone: ZONE}]}\n'
    assert loaded(text.replace("ZONE", "Europe/Berlin")).compute.schedules[0].time_zone == "Europe/Berlin"
    assert "there is no time zone" in messages(text.replace("ZONE", "'my zone'"))[0]
