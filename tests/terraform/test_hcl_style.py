"""How the HCL is written: documented, validated, tagged, without secrets, clocks or chance."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hcl_blocks import Block, read, read_folder
from terraform_contract import CLOUDS, TERRAFORM, contract

from cloudberth.infra.engine import find_engine, isolated_environment

FOLDERS = [
    pytest.param(folder, id=f"{cloud}-{folder.name if folder.parent.name == 'modules' else 'root'}")
    for cloud in CLOUDS
    for folder in (TERRAFORM / cloud, *(TERRAFORM / cloud / "modules" / name for name in contract().modules))
]
FILES = sorted(path for cloud in CLOUDS for path in (TERRAFORM / cloud).rglob("*.tf"))
PROVIDERS = {
    "aws": {"aws": "hashicorp/aws"},
    "azure": {"azurerm": "hashicorp/azurerm", "random": "hashicorp/random", "time": "hashicorp/time"},
    "google": {"google": "hashicorp/google", "random": "hashicorp/random"},
}
"""Cloud → the providers its HCL may use, and where they come from; the first is the cloud's own."""

# Values that another module makes: they are checked when the cloud takes them.
WIRED = re.compile(
    r"_?(id|arn|secret|security_groups?|group|bucket|firewall|origin|policies|facts|secrets|balancer|metric|zones?|addresses"
    r"|network|subnet|range|groups|backend|check|policy|address|roles|accounts|certificates)$"
)
TYPED = ("resource", "data", "ephemeral")
CHANCE = re.compile(r"\b(timestamp|plantimestamp|uuid|bcrypt)\(")
STORED_SECRETS = (
    "password",
    "master_password",
    "auth_token",
    "secret_string",
    "secret_binary",
    "private_key",
)


def blocks(folder: Path, kind: str) -> list[Block]:
    return [block for block in read_folder(folder) if block.type == kind]


@pytest.mark.parametrize("folder", FOLDERS)
class TestEveryFolder:
    def test_describes_variables_and_outputs_in_sentences(self, folder: Path) -> None:
        for block in (*blocks(folder, "variable"), *blocks(folder, "output")):
            description = block.arguments.get("description", "").strip('"')
            assert len(description) > 12, f"{block.type} {block.labels[0]} says nothing"
            assert description.endswith("."), f"{block.type} {block.labels[0]}: {description}"

    def test_types_every_variable(self, folder: Path) -> None:
        assert [
            block.labels[0] for block in blocks(folder, "variable") if "type" not in block.arguments
        ] == []

    def test_validates_every_variable_that_a_user_can_get_wrong(self, folder: Path) -> None:
        unchecked = [
            block.labels[0]
            for block in blocks(folder, "variable")
            if block.arguments["type"] != "bool"
            and not WIRED.search(block.labels[0])
            and not any(block.nested("validation"))
        ]
        assert unchecked == []

    def test_says_in_every_validation_what_to_do(self, folder: Path) -> None:
        for block in blocks(folder, "variable"):
            for validation in block.nested("validation"):
                message = validation.arguments["error_message"].strip('"')
                assert len(message) > 12, f"{block.labels[0]}: {message}"
                assert message[0].isupper() or re.match(r"[a-z_.:]+\b", message), (
                    f"{block.labels[0]}: {message}"
                )

    def test_needs_a_terraform_with_write_only_arguments_and_only_the_cloud_s_own_provider(
        self, folder: Path
    ) -> None:
        (terraform,) = blocks(folder, "terraform")
        assert terraform.arguments["required_version"] == '">= 1.11.0"'
        (required,) = terraform.nested("required_providers")
        cloud = folder.relative_to(TERRAFORM).parts[0]
        sources = {
            name: re.search(r'source\s*=\s*"([^"]+)"', text) for name, text in required.arguments.items()
        }
        named = {name: match[1] for name, match in sources.items() if match}
        used = {
            label.split("_")[0] for kind in TYPED for label in (b.labels[0] for b in blocks(folder, kind))
        }
        assert named.items() <= PROVIDERS[cloud].items()
        assert next(iter(PROVIDERS[cloud])) in named
        assert used - {"terraform"} <= set(named)

    def test_configures_providers_only_in_the_root(self, folder: Path) -> None:
        wanted = 0 if folder.parent.name == "modules" else len(PROVIDERS[folder.name])
        assert len(blocks(folder, "provider")) == wanted

    def test_stores_no_secret(self, folder: Path) -> None:
        """Secret arguments are write-only ones; the stored kind ends in state."""
        for block in blocks(folder, "resource"):
            assert not set(STORED_SECRETS) & set(block.arguments), block.labels


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(TERRAFORM)))
class TestEveryFile:
    def test_asks_neither_clock_nor_chance(self, file: Path) -> None:
        """A second plan must be empty."""
        assert CHANCE.findall(file.read_text()) == []

    def test_starts_resources_at_the_beginning_of_a_line(self, file: Path) -> None:
        """Tools find the types with a regular expression."""
        text = file.read_text()
        found = re.findall(r'^(?:resource|data|ephemeral) "(\w+)" "(\w+)"', text, re.MULTILINE)
        assert found == [
            block.labels for block in read(text) if block.type in ("resource", "data", "ephemeral")
        ]

    def test_gives_a_reason_for_every_check_that_it_skips(self, file: Path) -> None:
        for line in file.read_text().splitlines():
            if "checkov:skip" in line:
                assert re.match(r"\s+# checkov:skip=CKV2?_[A-Z]+_\d+:\S.{20,}$", line), line


@pytest.mark.terraform
@pytest.mark.parametrize("cloud", CLOUDS)
def test_is_formatted_as_terraform_does(cloud: str, tmp_path: Path) -> None:
    arguments = ["fmt", "-check", "-recursive", "-diff", str(TERRAFORM / cloud)]
    done = find_engine().run(arguments, tmp_path, isolated_environment(tmp_path), timeout=120)
    assert done.code == 0, done.output + done.error_output
