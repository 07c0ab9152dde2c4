"""The extractor on a small package in the generator's form, the trimmer, and the schemas in the package."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

import extract_schema
import trim_schemas
from cloudberth.infra.simulation.registry import PROVIDERS

RESOURCE = """
class ThingDiskOutputReference extends cdktn.ComplexObject {
    // size - computed: false, optional: false, required: true
    _size;
    get size() {
        return this.getNumberAttribute('size');
    }
    // device - computed: true, optional: false, required: false
    get device() {
        return this.getStringAttribute('device');
    }
}
class ThingRuleOutputReference extends cdktn.ComplexObject {
    // port - computed: false, optional: true, required: false
    get port() {
        return this.getNumberAttribute('port');
    }
}
class ThingMembersOutputReference extends cdktn.ComplexObject {
    // name - computed: true, optional: false, required: false
    get name() {
        return this.getStringAttribute('name');
    }
}
class ThingMembersList extends cdktn.ComplexList {
}
class ThingTimeoutsOutputReference extends cdktn.ComplexObject {
    // create - computed: false, optional: true, required: false
    get create() {
        return this.getStringAttribute('create');
    }
}
function thingDiskToHclTerraform(struct) {
    const attrs = {
        size: {
            value: cdktn.numberToHclTerraform(struct.size),
            isBlock: false,
            type: "simple",
            storageClassType: "number",
        },
    };
}
function thingRuleToHclTerraform(struct) {
    const attrs = {
        port: {
            value: cdktn.numberToHclTerraform(struct.port),
            isBlock: false,
            type: "simple",
            storageClassType: "number",
        },
    };
}
function thingTimeoutsToHclTerraform(struct) {
    const attrs = {
        create: {
            value: cdktn.stringToHclTerraform(struct.create),
            isBlock: false,
            type: "simple",
            storageClassType: "string",
        },
    };
}
class Thing extends cdktn.TerraformResource {
    static tfResourceType = "acme_thing";
    constructor(scope, id, config) {
        super(scope, id, {
                providerVersion: '4.2.0',
        });
    }
    // addresses - computed: true, optional: false, required: false
    get addresses() {
        return cdktn.Fn.tolist(this.getListAttribute('addresses'));
    }
    // members - computed: true, optional: false, required: false
    _members = new ThingMembersList(this, "members", false);
    // name - computed: false, optional: false, required: true
    get name() {
        return this.getStringAttribute('name');
    }
    // password - computed: false, optional: true, required: false
    get password() {
        return this.getStringAttribute('password');
    }
    // rule - computed: true, optional: true, required: false
    _rule = new ThingRuleList(this, "rule", true);
    // tags - computed: false, optional: true, required: false
    get tags() {
        return this.getStringMapAttribute('tags');
    }
    // zones - computed: true, optional: true, required: false
    get zones() {
        return cdktn.Fn.tolist(this.getListAttribute('zones'));
    }
    // disk - computed: false, optional: false, required: true
    _disk = new ThingDiskOutputReference(this, "disk");
    // timeouts - computed: false, optional: true, required: false
    _timeouts = new ThingTimeoutsOutputReference(this, "timeouts");
    synthesizeHclAttributes() {
        const attrs = {
            name: {
                value: cdktn.stringToHclTerraform(this._name),
                isBlock: false,
                type: "simple",
                storageClassType: "string",
            },
            password: {
                value: this.markWriteOnlyAttribute(cdktn.stringToHclTerraform(this._password)),
                isBlock: false,
                type: "simple",
                storageClassType: "string",
            },
            rule: {
                value: cdktn.listMapperHcl(thingRuleToHclTerraform, false)(this._rule.internalValue),
                isBlock: true,
                type: "set",
                storageClassType: "ThingRuleList",
            },
            tags: {
                value: cdktn.hashMapperHcl(cdktn.stringToHclTerraform)(this._tags),
                isBlock: false,
                type: "map",
                storageClassType: "stringMap",
            },
            zones: {
                value: cdktn.listMapperHcl(cdktn.stringToHclTerraform, false)(this._zones),
                isBlock: false,
                type: "set",
                storageClassType: "stringList",
            },
            disk: {
                value: thingDiskToHclTerraform(this._disk.internalValue),
                isBlock: true,
                type: "list",
                storageClassType: "ThingDiskList",
            },
            timeouts: {
                value: thingTimeoutsToHclTerraform(this._timeouts.internalValue),
                isBlock: true,
                type: "struct",
                storageClassType: "ThingTimeouts",
            },
        };
    }
}
"""
PROVIDER = """
function acmeProviderLoginToHclTerraform(struct) {
    const attrs = {
        token: {
            value: cdktn.stringToHclTerraform(struct.token),
            isBlock: false,
            type: "simple",
            storageClassType: "string",
        },
    };
}
class AcmeProvider extends cdktn.TerraformProvider {
    // alias - computed: false, optional: true, required: false
    // region - computed: false, optional: true, required: false
    // login - computed: false, optional: true, required: false
    synthesizeHclAttributes() {
        const attrs = {
            alias: {
                value: cdktn.stringToHclTerraform(this._alias),
                isBlock: false,
                type: "simple",
                storageClassType: "string",
            },
            region: {
                value: cdktn.stringToHclTerraform(this._region),
                isBlock: false,
                type: "simple",
                storageClassType: "string",
            },
            login: {
                value: cdktn.listMapperHcl(acmeProviderLoginToHclTerraform, true)(this._login),
                isBlock: true,
                type: "list",
                storageClassType: "AcmeProviderLoginList",
            },
        };
    }
}
"""
DECLARATIONS = """
export interface AcmeProviderLogin {
    /**
    * Docs at Terraform Registry: {@link https://example.com#token AcmeProvider#token}
    */
    readonly token: string;
}
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in (
            ("package/lib/thing/index.js", RESOURCE),
            ("package/lib/provider/index.js", PROVIDER),
            ("package/lib/provider/index.d.ts", DECLARATIONS),
            ("package/package.json", "{}"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    path = tmp_path / "cdktn_provider_acme-9.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive_file:
        archive_file.writestr("cdktn_provider_acme/_jsii/provider-acme@9.1.0.jsii.tgz", packed.getvalue())
    return path


def test_a_package_becomes_a_schema(wheel: Path) -> None:
    document, warnings = extract_schema.extract(wheel)
    assert warnings == []
    assert (document["source"], document["provider_version"]) == ("cdktn-provider-acme 9.1.0", "4.2.0")
    thing = document["resource_schemas"]["acme_thing"]["block"]
    assert thing["attributes"] == {
        "addresses": {"computed": True, "type": ["set", "string"]},
        "members": {"computed": True, "type": ["list", ["object", {"name": "string"}]]},
        "name": {"required": True, "type": "string"},
        "password": {"optional": True, "type": "string", "write_only": True},
        "rule": {"computed": True, "optional": True, "type": ["set", ["object", {"port": "number"}]]},
        "tags": {"optional": True, "type": ["map", "string"]},
        "zones": {"computed": True, "optional": True, "type": ["set", "string"]},
    }
    assert thing["block_types"] == {
        "disk": {
            "nesting_mode": "list",
            "min_items": 1,
            "max_items": 1,
            "block": {
                "attributes": {
                    "size": {"required": True, "type": "number"},
                    "device": {"computed": True, "type": "string"},
                }
            },
        },
        "timeouts": {
            "nesting_mode": "single",
            "block": {"attributes": {"create": {"optional": True, "type": "string"}}},
        },
    }


def test_the_provider_block_is_read_from_its_interface(wheel: Path) -> None:
    document, _ = extract_schema.extract(wheel)
    assert document["provider"]["block"] == {
        "attributes": {"region": {"optional": True, "type": "string"}},
        "block_types": {
            "login": {
                "nesting_mode": "list",
                "block": {"attributes": {"token": {"required": True, "type": "string"}}},
            }
        },
    }


def test_another_package_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("other/__init__.py", "")
    with pytest.raises(SystemExit, match="not a provider package"):
        extract_schema.extract(tmp_path / "other-1.0-py3-none-any.whl")


# ---- trimming --------------------------------------------------------------------------------


# The least number of types that our Terraform uses of a provider; fewer would mean nothing was looked at.
FEWEST = {"aws": 50, "azurerm": 50, "google": 40, "random": 1, "time": 1}


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_type_in_the_terraform_has_a_schema(provider: str) -> None:
    used = trim_schemas.types_in_hcl(trim_schemas.HCL, provider)
    document = trim_schemas.read_schema(trim_schemas.SCHEMAS / f"{provider}.json.gz")
    lacking = trim_schemas.missing_types(document, used)
    words = ", ".join(lacking)
    assert not lacking, f"run: python tools/trim_schemas.py {provider} FULL.json.gz   (for {words})"
    assert len(used) >= FEWEST[provider]


def test_the_type_list_is_in_the_schema() -> None:
    document = trim_schemas.read_schema(trim_schemas.SCHEMAS / "aws.json.gz")
    names = {name for section in trim_schemas.SECTIONS.values() for name in document[section]}
    assert trim_schemas.listed_types(trim_schemas.ROOT / "tools" / "schema_types_aws.txt") <= names


def test_the_packaged_schema_is_small_and_says_where_it_is_from() -> None:
    file = trim_schemas.SCHEMAS / "aws.json.gz"
    assert file.stat().st_size < 300_000
    text = (trim_schemas.SCHEMAS / "README.md").read_text()
    assert "aws 6.69.1" in text
    assert "cdktn-provider-aws" in text
    assert "Mozilla Public License 2.0" in text
    assert text == trim_schemas.readme()


def test_trimming_is_deterministic(tmp_path: Path) -> None:
    full = {
        "provider": {},
        "provider_version": "1",
        "resource_schemas": {"b": 1, "a": 2, "c": 3},
        "data_source_schemas": {"a": 4},
        "ephemeral_resource_schemas": {},
    }
    first = trim_schemas.packed(trim_schemas.trim(full, {"b", "a"}))
    second = trim_schemas.packed(trim_schemas.trim(dict(reversed(full.items())), {"a", "b"}))
    assert first == second
    assert json.loads(gzip.decompress(first))["resource_schemas"] == {"a": 2, "b": 1}


def test_types_are_found_in_hcl(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "main.tf").write_text(
        'resource "aws_vpc" "x" {}\n# resource "aws_no" "x" {}\n  data "aws_region" "r" {}\n'
        'ephemeral "aws_e" "e" {}\nresource "terraform_data" "t" {}\n'
    )
    assert trim_schemas.types_in_hcl(tmp_path) == {
        ("resource", "aws_vpc"),
        ("data", "aws_region"),
        ("ephemeral", "aws_e"),
    }


def test_a_lacking_type_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws" / "main.tf").write_text('resource "aws_brand_new" "x" {}\n')
    monkeypatch.setattr(trim_schemas, "HCL", tmp_path)
    assert trim_schemas.main(["aws", "--check"]) == 1
    said = capsys.readouterr().err
    assert "resource aws_brand_new" in said
    assert "python tools/trim_schemas.py aws FULL.json.gz" in said
