"""MLflow 3.6 or later with an SQL store. Tried against a real server (`tests/tracing/real_providers.py`)."""

from collections.abc import Mapping
from typing import Any

from cloudberth.tracing.profile import Check, FeedbackCall, Field, Profile, endpoint_field, key_field


def _assessment(row: Mapping[str, Any]) -> Any:
    value = row["score"] if row["score"] is not None else row["label"]
    assessment = {
        "assessment_name": row["name"],
        "trace_id": f"tr-{row['trace_id']}",
        "span_id": row["given_span_id"],
        "source": {
            "source_type": "HUMAN" if row["source"] == "user" else "CODE",
            "source_id": row["user"] or row["source"],
        },
        "feedback": {"value": value},
        "rationale": row["comment"],
    }
    return {"assessment": {name: value for name, value in assessment.items() if value is not None}}


PROFILE = Profile(
    id="mlflow",
    title="MLflow",
    fields=(
        endpoint_field("", "http://mlflow:5000", name="url"),
        Field("experiment_id", "Experiment ID", "实验 ID", required=True, default="0"),
        Field("username", "User", "用户名"),
        key_field("password", "Password", "密码", required=False),
        key_field("token", "Token", "令牌", required=False),
    ),
    traces_url="{url}/v1/traces",
    basic=("username", "password"),
    # Without the experiment's header: 422; of an experiment that does not exist: 404.
    headers=(
        ("authorization", "Basic {basic}"),
        ("authorization", "Bearer {token}"),
        ("x-mlflow-experiment-id", "{experiment_id}"),
    ),
    check=Check("GET", "{url}/api/2.0/mlflow/experiments/get?experiment_id={experiment_id:path}"),
    # An empty request is answered with 400 "no spans found": so the path, the header and the key are right.
    empty_good=(200, 400),
    project_url="{url}/#/experiments/{experiment_id:path}/traces",
    feedback=FeedbackCall("POST", "{url}/api/3.0/mlflow/traces/tr-{trace_id}/assessments", _assessment),
    proved="against a real server",
    notes=("A request is taken whole or not at all. Sending a span twice does no harm: the last one stays.",),
)
