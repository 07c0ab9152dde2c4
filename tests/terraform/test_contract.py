"""Every cloud's HCL against CONTRACT.md: the same modules, variables and outputs."""

from __future__ import annotations

import pytest
from hcl_blocks import Block, normal, read_folder
from terraform_contract import CLOUDS, TERRAFORM, contract

CONTRACT = contract()


def named(blocks: tuple[Block, ...], kind: str) -> dict[str, Block]:
    return {block.labels[0]: block for block in blocks if block.type == kind}


def test_the_page_is_understood() -> None:
    assert len(CONTRACT.modules) == 12
    assert set(CONTRACT.modules) == set(CONTRACT.module_outputs)
    assert len(CONTRACT.variables) == 19
    assert CONTRACT.variables["tags"] == "map(string)"
    assert CONTRACT.outputs == ("address", "facts", "secrets", "log_groups", "dashboard", "missing")
    assert "aws" in CLOUDS


@pytest.mark.parametrize("cloud", CLOUDS)
class TestRoot:
    def test_calls_every_module_from_its_folder(self, cloud: str) -> None:
        calls = named(read_folder(TERRAFORM / cloud), "module")
        assert set(calls) == set(CONTRACT.modules)
        assert {name: call.arguments["source"] for name, call in calls.items()} == {
            name: f'"./modules/{name}"' for name in CONTRACT.modules
        }
        folders = {path.name for path in (TERRAFORM / cloud / "modules").iterdir() if path.is_dir()}
        assert folders == set(CONTRACT.modules)

    def test_takes_the_variables_of_the_contract_with_their_types(self, cloud: str) -> None:
        variables = named(read_folder(TERRAFORM / cloud), "variable")
        assert {name: normal(block.arguments["type"]) for name, block in variables.items()} == {
            name: normal(text) for name, text in CONTRACT.variables.items()
        }

    def test_gives_the_outputs_of_the_contract(self, cloud: str) -> None:
        assert set(named(read_folder(TERRAFORM / cloud), "output")) == set(CONTRACT.outputs)

    def test_hands_name_and_tags_to_every_module(self, cloud: str) -> None:
        for call in named(read_folder(TERRAFORM / cloud), "module").values():
            assert call.arguments["name"] == "var.name"
            assert call.arguments["tags"] == "local.tags"


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("module", CONTRACT.modules)
class TestModule:
    def test_takes_name_and_tags(self, cloud: str, module: str) -> None:
        variables = named(read_folder(TERRAFORM / cloud / "modules" / module), "variable")
        assert variables["name"].arguments["type"] == "string"
        assert variables["tags"].arguments["type"] == "map(string)"

    def test_gives_the_outputs_of_the_contract_and_no_undeclared_ones(self, cloud: str, module: str) -> None:
        outputs = set(named(read_folder(TERRAFORM / cloud / "modules" / module), "output"))
        assert outputs == {*CONTRACT.module_outputs[module], *CONTRACT.additional.get((cloud, module), ())}

    def test_has_the_standard_files(self, cloud: str, module: str) -> None:
        files = {path.name for path in (TERRAFORM / cloud / "modules" / module).glob("*.tf")}
        assert {"main.tf", "variables.tf", "outputs.tf", "versions.tf"} <= files

    def test_is_given_every_variable_that_has_no_default_and_no_other(self, cloud: str, module: str) -> None:
        variables = named(read_folder(TERRAFORM / cloud / "modules" / module), "variable")
        call = named(read_folder(TERRAFORM / cloud), "module")[module]
        given = set(call.arguments) - {"source", "count", "for_each", "depends_on", "providers"}
        assert given <= set(variables)
        assert {name for name, block in variables.items() if "default" not in block.arguments} <= given
