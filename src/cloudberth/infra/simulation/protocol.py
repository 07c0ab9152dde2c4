"""The messages of Terraform's plugin protocol 6 that a provider needs, built at run time.

Field numbers and types follow protocol 6.10, published with Terraform under docs/plugin-protocol. Building
the classes from a description avoids generated code, which would tie us to one version of the protobuf
runtime.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "cloudberth.simulation"

# One message per paragraph: its name, then `number type name` lines. `*` marks a repeated field, `?` a
# field of the one-of group "selector". Messages that the protocol declares as map entries are written as
# Entry types (a map is a repeated message with key = 1 and value = 2 on the wire).
DESCRIPTION: Final = """
DynamicValue
  1 bytes msgpack
  2 bytes json

PathStep
  1 string? attribute_name
  2 string? element_key_string
  3 int64? element_key_int

AttributePath
  1 *PathStep steps

Diagnostic
  1 int32 severity
  2 string summary
  3 string detail
  4 AttributePath attribute

Attribute
  1 string name
  2 bytes type
  4 bool required
  5 bool optional
  6 bool computed
  7 bool sensitive
  11 bool write_only

NestedBlock
  1 string type_name
  2 Block block
  3 int32 nesting
  4 int64 min_items
  5 int64 max_items

Block
  1 int64 version
  2 *Attribute attributes
  3 *NestedBlock block_types

Schema
  1 int64 version
  2 Block block

SchemaEntry
  1 string key
  2 Schema value

ServerCapabilities
  1 bool plan_destroy
  2 bool get_provider_schema_optional

Empty

GetProviderSchemaResponse
  1 Schema provider
  2 *SchemaEntry resource_schemas
  3 *SchemaEntry data_source_schemas
  8 *SchemaEntry ephemeral_resource_schemas
  4 *Diagnostic diagnostics
  6 ServerCapabilities server_capabilities

ConfigRequest
  1 DynamicValue config

ConfigureRequest
  1 string terraform_version
  2 DynamicValue config

TypedConfigRequest
  1 string type_name
  2 DynamicValue config

Diagnostics
  1 *Diagnostic diagnostics

ProviderConfigDiagnostics
  2 *Diagnostic diagnostics

RawState
  1 bytes json

UpgradeRequest
  1 string type_name
  2 int64 version
  3 RawState raw_state

UpgradeResponse
  1 DynamicValue upgraded_state
  2 *Diagnostic diagnostics

ReadRequest
  1 string type_name
  2 DynamicValue current_state
  3 bytes private

ReadResponse
  1 DynamicValue new_state
  2 *Diagnostic diagnostics
  3 bytes private

PlanRequest
  1 string type_name
  2 DynamicValue prior_state
  3 DynamicValue proposed_new_state
  4 DynamicValue config
  5 bytes prior_private

PlanResponse
  1 DynamicValue planned_state
  2 *AttributePath requires_replace
  3 bytes planned_private
  4 *Diagnostic diagnostics

ApplyRequest
  1 string type_name
  2 DynamicValue prior_state
  3 DynamicValue planned_state
  4 DynamicValue config
  5 bytes planned_private

ApplyResponse
  1 DynamicValue new_state
  2 bytes private
  3 *Diagnostic diagnostics

ImportRequest
  1 string type_name
  2 string id

ImportedResource
  1 string type_name
  2 DynamicValue state
  3 bytes private

ImportResponse
  1 *ImportedResource imported_resources
  2 *Diagnostic diagnostics

MoveRequest
  1 string source_provider_address
  2 string source_type_name
  5 string target_type_name

MoveResponse
  1 DynamicValue target_state
  2 *Diagnostic diagnostics

DataResponse
  1 DynamicValue state
  2 *Diagnostic diagnostics

Timestamp
  1 int64 seconds
  2 int32 nanos

OpenResponse
  1 *Diagnostic diagnostics
  2 Timestamp renew_at
  3 DynamicValue result
  4 bytes private

EphemeralRequest
  1 string type_name
  2 bytes private

RenewResponse
  1 *Diagnostic diagnostics
  2 Timestamp renew_at
  3 bytes private

CallFunctionRequest
  1 string name

FunctionError
  1 string text

CallFunctionResponse
  1 DynamicValue result
  2 FunctionError error

StopResponse
  1 string Error
"""

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "bytes": _FIELD.TYPE_BYTES,
    "string": _FIELD.TYPE_STRING,
    "bool": _FIELD.TYPE_BOOL,
    "int64": _FIELD.TYPE_INT64,
    "int32": _FIELD.TYPE_INT32,
}


def _describe(message: Any, lines: list[str]) -> None:
    for line in lines:
        number, kind, name = line.split()
        field = message.field.add(name=name, number=int(number))
        field.label = _FIELD.LABEL_REPEATED if kind.startswith("*") else _FIELD.LABEL_OPTIONAL
        if kind.endswith("?"):
            if not message.oneof_decl:
                message.oneof_decl.add(name="selector")
            field.oneof_index = 0
        kind = kind.strip("*?")
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:
            field.type = _FIELD.TYPE_MESSAGE
            field.type_name = f".{PACKAGE}.{kind}"


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="cloudberth_simulation.proto", package=PACKAGE, syntax="proto3"
    )
    for paragraph in DESCRIPTION.strip().split("\n\n"):
        name, *lines = paragraph.splitlines()
        _describe(file.message_type.add(name=name), lines)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{message.name}"))
        for message in file.message_type
    }


MESSAGES: Final[dict[str, Any]] = _build()
"""Message name → class. The classes are made at run time, so their fields cannot be typed."""
