"""Messages of Tablestore's protocol (2015-12-31) as dictionaries, written and read as protocol buffers.

Without the vendor's library: it (6.4.8) takes protobuf below 6 only, other packages of ours 6.33 or later.
Names and numbers are the protocol's. Of each message stands here what we send or read; the rest is skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from cloudberth.errors import CorruptData

Message = dict[str, Any]

# Message → its fields as ``name:number:kind``; the kind is int, text, bytes, float, double or a message, and
# ends with * where it repeats. Enumerations and booleans are int.
_FIELDS = {
    "Error": "code:1:text message:2:text",
    "PrimaryKeySchema": "name:1:text type:2:int",
    "TableMeta": "table_name:1:text primary_key:2:PrimaryKeySchema*",
    "TableOptions": "time_to_live:1:int max_versions:2:int deviation_cell_version_in_sec:5:int",
    "CapacityUnit": "read:1:int write:2:int",
    "ReservedThroughput": "capacity_unit:1:CapacityUnit",
    "ReservedThroughputDetails": "capacity_unit:1:CapacityUnit last_increase_time:2:int",
    "ConsumedCapacity": "capacity_unit:1:CapacityUnit",
    "Condition": "row_existence:1:int",
    "CreateTableRequest": "table_meta:1:TableMeta reserved_throughput:2:ReservedThroughput "
    "table_options:3:TableOptions",
    "CreateTableResponse": "",
    "DescribeTableRequest": "table_name:1:text",
    "DescribeTableResponse": "table_meta:1:TableMeta reserved_throughput_details:2:ReservedThroughputDetails "
    "table_options:3:TableOptions",
    "ListTableRequest": "",
    "ListTableResponse": "table_names:1:text*",
    "DeleteTableRequest": "table_name:1:text",
    "DeleteTableResponse": "",
    "GetRowRequest": "table_name:1:text primary_key:2:bytes columns_to_get:3:text* max_versions:5:int",
    "GetRowResponse": "consumed:1:ConsumedCapacity row:2:bytes",
    "PutRowRequest": "table_name:1:text row:2:bytes condition:3:Condition",
    "PutRowResponse": "consumed:1:ConsumedCapacity row:2:bytes",
    "DeleteRowRequest": "table_name:1:text primary_key:2:bytes condition:3:Condition",
    "DeleteRowResponse": "consumed:1:ConsumedCapacity row:2:bytes",
    "TableInBatchGetRowRequest": "table_name:1:text primary_key:2:bytes* token:3:bytes* "
    "columns_to_get:4:text* max_versions:6:int",
    "BatchGetRowRequest": "tables:1:TableInBatchGetRowRequest*",
    "RowInBatchGetRowResponse": "is_ok:1:int error:2:Error consumed:3:ConsumedCapacity row:4:bytes",
    "TableInBatchGetRowResponse": "table_name:1:text rows:2:RowInBatchGetRowResponse*",
    "BatchGetRowResponse": "tables:1:TableInBatchGetRowResponse*",
    "RowInBatchWriteRowRequest": "type:1:int row_change:2:bytes condition:3:Condition",
    "TableInBatchWriteRowRequest": "table_name:1:text rows:2:RowInBatchWriteRowRequest*",
    "BatchWriteRowRequest": "tables:1:TableInBatchWriteRowRequest*",
    "RowInBatchWriteRowResponse": "is_ok:1:int error:2:Error consumed:3:ConsumedCapacity row:4:bytes",
    "TableInBatchWriteRowResponse": "table_name:1:text rows:2:RowInBatchWriteRowResponse*",
    "BatchWriteRowResponse": "tables:1:TableInBatchWriteRowResponse*",
    "GetRangeRequest": "table_name:1:text direction:2:int columns_to_get:3:text* max_versions:5:int "
    "limit:6:int inclusive_start_primary_key:7:bytes exclusive_end_primary_key:8:bytes",
    "GetRangeResponse": "consumed:1:ConsumedCapacity rows:2:bytes next_start_primary_key:3:bytes",
    "MatchQuery": "field_name:1:text text:2:text minimum_should_match:3:int operator:4:int",
    "MatchAllQuery": "",
    "TermQuery": "field_name:1:text term:2:bytes",
    "TermsQuery": "field_name:1:text terms:2:bytes*",
    "RangeQuery": "field_name:1:text range_from:2:bytes range_to:3:bytes include_lower:4:int "
    "include_upper:5:int",
    "BoolQuery": "must_queries:1:Query* must_not_queries:2:Query* filter_queries:3:Query* "
    "should_queries:4:Query* minimum_should_match:5:int",
    "ExistsQuery": "field_name:1:text",
    "KnnVectorQuery": "field_name:1:text top_k:2:int float32_query_vector:4:float* filter:5:Query",
    "Query": "type:1:int query:2:bytes",
    "ScoreSort": "order:1:int",
    "PrimaryKeySort": "order:1:int",
    "Sorter": "score_sort:3:ScoreSort pk_sort:4:PrimaryKeySort",
    "Sort": "sorter:1:Sorter*",
    "SearchQuery": "offset:1:int limit:2:int query:4:Query sort:6:Sort get_total_count:8:int token:9:bytes",
    "ColumnsToGet": "return_type:1:int column_names:2:text*",
    "SearchRequest": "table_name:1:text index_name:2:text columns_to_get:3:ColumnsToGet search_query:4:bytes "
    "timeout_ms:6:int",
    "SearchHit": "score:3:double",
    "SearchResponse": "total_hits:1:int rows:2:bytes* is_all_succeed:3:int search_hits:5:SearchHit* "
    "next_token:6:bytes",
    "VectorOptions": "data_type:1:int dimension:2:int metric_type:3:int",
    "FieldSchema": "field_name:1:text field_type:2:int analyzer:4:text index:5:int enable_sort_and_agg:6:int "
    "store:7:int is_array:9:int vector_options:15:VectorOptions",
    "IndexSetting": "number_of_shards:1:int",
    "IndexSchema": "field_schemas:1:FieldSchema* index_setting:2:IndexSetting index_sort:3:Sort",
    "CreateSearchIndexRequest": "table_name:1:text index_name:2:text schema:3:IndexSchema time_to_live:5:int",
    "CreateSearchIndexResponse": "",
    "IndexInfo": "table_name:1:text index_name:2:text",
    "ListSearchIndexRequest": "table_name:1:text",
    "ListSearchIndexResponse": "indices:1:IndexInfo*",
    "DeleteSearchIndexRequest": "table_name:1:text index_name:2:text",
    "DeleteSearchIndexResponse": "",
    "SyncStat": "sync_phase:1:int current_sync_timestamp:2:int",
    "DescribeSearchIndexRequest": "table_name:1:text index_name:2:text include_sync_stat:3:int",
    "DescribeSearchIndexResponse": "schema:1:IndexSchema sync_stat:2:SyncStat create_time:6:int "
    "time_to_live:7:int",
}
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_WIRES = {"int": _VARINT, "double": _EIGHT, "float": _FOUR}


def encode(message: str, given: Mapping[str, Any]) -> bytes:
    """A message; fields that are absent or None are left out. Raises KeyError for one that there is not."""
    made = bytearray()
    for name, (number, kind, repeats) in _by_name(message).items():
        value = given.get(name)
        if value is None:
            continue
        tag = _varint(number << 3 | _WIRES.get(kind, _LENGTH))
        for one in value if repeats else (value,):
            made += tag
            made += _written(kind, one)
    unknown = set(given) - _by_name(message).keys()
    if unknown:
        raise KeyError(f"{message} has no {', '.join(sorted(unknown))}")
    return bytes(made)


def decode(message: str, data: bytes) -> Message:
    """What is in a message; fields that repeat are there always. Raises CorruptData."""
    found: Message = {name: [] for name, (_, _, repeats) in _by_name(message).items() if repeats}
    known = {number: (name, kind, repeats) for name, (number, kind, repeats) in _by_name(message).items()}
    try:
        for number, wire, value in _parts(data):
            if number not in known:
                continue
            name, kind, repeats = known[number]
            if repeats and kind == "float" and wire == _LENGTH:
                found[name] += struct.unpack(f"<{len(value) // 4}f", value)
            elif repeats:
                found[name].append(_read(kind, value))
            else:
                found[name] = _read(kind, value)
    except (IndexError, ValueError, struct.error, TypeError):
        raise CorruptData(f"the answer is no {message}") from None
    return found


@cache
def _by_name(message: str) -> dict[str, tuple[int, str, bool]]:
    """name → number, kind, whether it repeats."""
    parts = (part.split(":") for part in _FIELDS[message].split())
    return {name: (int(number), kind.rstrip("*"), kind.endswith("*")) for name, number, kind in parts}


def _written(kind: str, value: Any) -> bytes:
    if kind == "int":
        return _varint(int(value))
    if kind == "float":
        return struct.pack("<f", value)
    if kind == "double":
        return struct.pack("<d", value)
    data = value.encode() if kind == "text" else value if kind == "bytes" else encode(kind, value)
    return _varint(len(data)) + bytes(data)


def _read(kind: str, value: Any) -> Any:
    if kind == "int":
        return value - 2**64 if value >= 2**63 else value
    if kind == "float":
        return struct.unpack("<f", value)[0]
    if kind == "double":
        return struct.unpack("<d", value)[0]
    if kind == "text":
        return value.decode()
    return bytes(value) if kind == "bytes" else decode(kind, value)


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _parts(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, number or bytes) of everything in a message."""
    at = 0
    while at < len(data):
        tag, at = _number_at(data, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _number_at(data, at)
            yield tag >> 3, wire, value
            continue
        if wire == _LENGTH:
            length, at = _number_at(data, at)
        else:
            length = {_EIGHT: 8, _FOUR: 4}[wire] if wire in (_EIGHT, _FOUR) else len(data) + 1
        if at + length > len(data):
            raise ValueError("it ends too early")
        yield tag >> 3, wire, data[at : at + length]
        at += length


def _number_at(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), at
        shift += 7
