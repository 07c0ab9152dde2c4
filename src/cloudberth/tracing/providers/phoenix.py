"""Arize Phoenix, its cloud and self-hosted. Tried against a real server
(`tests/tracing/real_providers.py`).
"""

from collections.abc import Mapping
from typing import Any

from cloudberth.tracing import attributes as names
from cloudberth.tracing.profile import Check, FeedbackCall, Profile, endpoint_field, key_field, project_field


def _annotation(row: Mapping[str, Any]) -> Any:
    result = {"score": row["score"], "label": row["label"], "explanation": row["comment"]}
    return {
        "data": [
            {
                "span_id": row["span_id"],
                "name": row["name"],
                "annotator_kind": "HUMAN" if row["source"] == "user" else "CODE",
                "result": {name: value for name, value in result.items() if value is not None},
            }
        ]
    }


PROFILE = Profile(
    id="phoenix",
    title="Phoenix",
    fields=(
        endpoint_field("https://app.phoenix.arize.com", "http://phoenix:6006"),
        key_field(required=False),
        project_field(),
    ),
    traces_url="{endpoint}/v1/traces",
    # The header `api_key`, which old pages show, is answered with 401.
    headers=(("authorization", "Bearer {api_key}"),),
    resource=((names.OI_PROJECT, "{project}"),),
    check=Check("GET", "{endpoint}/v1/projects?limit=1"),
    project_url="{endpoint}/projects",
    feedback=FeedbackCall("POST", "{endpoint}/v1/span_annotations?sync=true", _annotation),
    proved="against a real server",
    notes=(
        "A 200 means that Phoenix queued the spans in its memory; it shows them later, about 100 a second.",
        "Sending a span twice does no harm: the first one stays.",
    ),
)
