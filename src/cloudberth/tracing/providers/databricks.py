"""Databricks: OTLP into Unity Catalog tables (preview). Source: mlflow's databricks_rest_store,
learn.microsoft.com.
"""

from cloudberth.tracing.profile import Check, Field, Profile, endpoint_field, key_field

PROFILE = Profile(
    id="databricks",
    title="Databricks",
    fields=(
        endpoint_field("", "https://adb-1234567890.1.azuredatabricks.net", name="host"),
        key_field("token", "Personal access token", "个人访问令牌"),
        Field("table", "Unity Catalog table", "Unity Catalog 表", example="catalog.schema.prefix_otel_spans"),
        Field("experiment_id", "Experiment ID", "实验 ID"),
    ),
    traces_url="{host}/api/2.0/otel/v1/traces",
    headers=(
        ("authorization", "Bearer {token}"),
        ("X-Databricks-UC-Table-Name", "{table}"),
        ("x-mlflow-experiment-id", "{experiment_id}"),
    ),
    check=Check("GET", "{host}/api/2.0/preview/scim/v2/Me"),
    empty_good=(200, 202, 204, 400),
    project_url="{host}/ml/experiments/{experiment_id:path}/traces",
    notes=(
        "The path is read from MLflow's source and was not tried against a workspace.",
        "OAuth with client id and secret (service principals) is not spoken; use an access token.",
    ),
)
