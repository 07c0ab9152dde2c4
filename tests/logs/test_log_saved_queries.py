"""What the Terraform modules save as named queries is what the analyses compile to."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from cloudberth import pipeline
from cloudberth.infra.plan import Plan
from cloudberth.logs.analysis import SAVED
from cloudberth.logs.languages import google, insights, kql
from shared_rehearsals import plan_of

pytestmark = pytest.mark.terraform

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = {"aws": "dify-aws.yaml", "azure": "dify-azure.yaml", "google": "dify-google.yaml"}


@cache
def plan(cloud: str) -> Plan:
    return plan_of(pipeline.read(EXAMPLES / FILES[cloud]))


def saved_in(cloud: str, type_: str) -> dict[str, dict[str, object]]:
    """Attributes of the saved analyses of a plan by the name of the analysis."""
    return {
        str(resource.key): dict(resource.values)
        for resource in plan(cloud).managed()
        if resource.type == type_ and resource.name == "analysis"
    }


def test_aws_saves_them_for_logs_insights() -> None:
    found = saved_in("aws", "aws_cloudwatch_query_definition")
    assert set(found) == {analysis.name for analysis in SAVED}
    for analysis in SAVED:
        assert str(found[analysis.name]["query_string"]).strip() == insights.compile_analysis(analysis)
    # Services are said by the list of log groups.
    assert [str(name).rpartition("/")[2] for name in found["slowest-requests"]["log_group_names"]] == [
        "router"
    ]  # type: ignore[union-attr]
    assert len(found["errors-by-service"]["log_group_names"]) > 5  # type: ignore[arg-type]


def test_azure_saves_them_as_kql() -> None:
    found = saved_in("azure", "azurerm_log_analytics_saved_search")
    assert set(found) == {analysis.name for analysis in SAVED}
    for analysis in SAVED:
        assert str(found[analysis.name]["query"]).strip() == kql.compile_analysis(analysis)


def test_google_saves_them_as_sql_over_the_bucket() -> None:
    found = saved_in("google", "google_logging_saved_query")
    assert set(found) == {analysis.name for analysis in SAVED}
    for analysis in SAVED:
        text = str(found[analysis.name]["ops_analytics_query"][0]["sql_query_text"]).strip()  # type: ignore[index]
        view = text.partition("FROM `")[2].partition("`")[0]
        assert view.endswith("._AllLogs") and view.count(".") == 3
        assert text == google.compile_analysis(analysis, view)
