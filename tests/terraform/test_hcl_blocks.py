"""The reader that the other tests stand on."""

from __future__ import annotations

import pytest
from hcl_blocks import normal, read

TEXT = """
# a comment with { and "
locals {
  plain  = 1 # { not a block
  nested = { a = "x}", b = [1, 2] }
  place  = "${join("}", ["{"])}-$${kept} %{ if true }y%{ endif }"
  query  = <<-EOT
    } not the end {
  EOT
  long = (
    var.x == "a" ? 1 :
    2
  )
}

resource "aws_thing" "this" {
  name = "a\\"b"

  inner {
    value = 1
  }

  dynamic "rule" {
    for_each = var.rules

    content {
      id = rule.key

      deep {
        x = 1
      }
    }
  }
}
"""


def test_reads_blocks_labels_arguments_and_nested_blocks() -> None:
    variables, resource = read(TEXT)
    assert variables.arguments["nested"] == '{ a = "x}", b = [1, 2] }'
    assert variables.arguments["place"] == '"${join("}", ["{"])}-$${kept} %{ if true }y%{ endif }"'
    assert set(variables.arguments) == {"plain", "nested", "place", "query", "long"}
    assert (resource.type, resource.labels, resource.line) == ("resource", ("aws_thing", "this"), 16)
    assert [block.type for block in resource.nested()] == ["inner", "rule"]
    (rule,) = resource.nested("rule")
    assert rule.arguments == {"id": "rule.key"}
    assert [block.type for block in rule.nested()] == ["deep"]


def test_expressions_compare_without_their_form() -> None:
    assert normal("object({ a = string, b = number })") == normal(
        "object({\n  a   = string\n  b = number\n})"
    )
    assert normal("object({ a = string })") != normal("object({ a = number })")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("locals {\n  a = 1\n", "line 1"),
        ('locals {\n  a = "x\n}\n', "line 2"),
        ("locals {\n  a = [1\n}\n", "line 2"),
        ("locals {}\n}\n", "line 2"),
        ("locals {\n  a = <<EOT\nx\n}\n", "line 2"),
        ("locals {\n  ?\n}\n", "line 2"),
    ],
)
def test_what_does_not_close_is_refused_with_its_line(text: str, place: str) -> None:
    with pytest.raises(ValueError, match=place):
        read(text)
