"""The fields of a collection in Milvus, and their indexes: Dify's, and ours beyond them."""

from __future__ import annotations

from typing import Any

from cloudberth.vector import _milvus_columns as columns
from cloudberth.vector import _milvus_rows as rows
from cloudberth.vector.contract import Collection


def schema(
    library: Any,
    collection: Collection,
    *,
    words: bool,
    nullable: bool,
    lite: bool,
    analyzer: dict[str, Any],
) -> Any:
    """library: pymilvus. words: with BM25 by Milvus. nullable: Dify can add rows without our fields."""
    types = library.DataType
    made = library.MilvusClient.create_schema(
        auto_id=True, enable_dynamic_field=False, description=collection.note()
    )
    made.add_field(rows.METADATA, types.JSON)
    text: dict[str, Any] = {"max_length": rows.LONGEST_TEXT}
    if words:
        text |= {"enable_analyzer": True, "analyzer_params": analyzer}
    made.add_field(rows.CONTENT, types.VARCHAR, **text)
    made.add_field(rows.PRIMARY, types.INT64, is_primary=True, auto_id=True)
    made.add_field(rows.VECTOR, types.FLOAT_VECTOR, dim=collection.dimension)
    optional: dict[str, Any] = {"nullable": True} if nullable else {}
    made.add_field(rows.RECORD_ID, types.VARCHAR, max_length=512, **optional)
    if lite:
        made.add_field(rows.FACET_TEXT, types.VARCHAR, max_length=rows.LONGEST_TEXT, **optional)
    else:
        made.add_field(
            rows.FACETS, types.ARRAY, element_type=types.VARCHAR, max_length=32,
            max_capacity=rows.MOST_FACETS, **optional,
        )  # fmt: skip
    made.add_field(rows.ORDERED_VALUES, types.JSON, **optional)
    if nullable:
        _add_columns(made, types, collection)
    if words:
        made.add_field(rows.SPARSE, types.SPARSE_FLOAT_VECTOR)
        made.add_function(
            library.Function(
                name="text_bm25_emb",
                input_field_names=[rows.CONTENT],
                output_field_names=[rows.SPARSE],
                function_type=library.FunctionType.BM25,
            )
        )
    return made


def _add_columns(made: Any, types: Any, collection: Collection) -> None:
    """One for each declared field, null where a record has none of its kind."""
    for column, kind, field in columns.declared(collection.fields):
        named: dict[str, Any] = {"nullable": True, "description": f"of the metadata: {field}"}
        if kind == "text":
            made.add_field(column, types.VARCHAR, max_length=4 * columns.LONGEST, **named)
        else:
            made.add_field(column, types.BOOL if kind == "boolean" else types.DOUBLE, **named)


def indexes(
    library: Any, collection: Collection, metric: str, *, words: bool, nullable: bool, lite: bool
) -> Any:
    """Over vectors, words, and on servers over what is looked up by value."""
    made = library.MilvusClient.prepare_index_params()
    if collection.index.kind == "exact":
        made.add_index(rows.VECTOR, index_type="FLAT", metric_type=metric)
    else:
        graph = {"M": max(2, collection.index.links), "efConstruction": collection.index.construction}
        made.add_index(rows.VECTOR, index_type="HNSW", metric_type=metric, params=graph)
    if words:
        made.add_index(rows.SPARSE, index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    if not lite:
        made.add_index(rows.RECORD_ID, index_type="INVERTED")
        made.add_index(rows.FACETS, index_type="INVERTED")
        for column, _, _ in columns.declared(collection.fields) if nullable else ():
            made.add_index(column, index_type="INVERTED")
    return made
