"""Forms: read with a limit, and only from our own pages."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import HTTPException, Request

from cloudberth.errors import InvalidInput
from cloudberth.server.secrets_at_rest import same

# The hidden field that every form carries.
TOKEN_FIELD = "form_token"  # noqa: S105 (the name of a field)
MOST_FIELDS = 300
FORM_TYPE = "application/x-www-form-urlencoded"


class Form:
    """The fields of a form; text without spaces around it."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self._fields.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str, default: str = "") -> str:
        return self._fields.get(name, [default])[0].strip()

    def flag(self, name: str) -> bool:
        """Whether a box is ticked: browsers leave out those that are not."""
        return name in self._fields

    def starting(self, prefix: str) -> dict[str, str]:
        """The fields whose name starts so, by the rest of the name."""
        return {
            name.removeprefix(prefix): values[0].strip()
            for name, values in self._fields.items()
            if name.startswith(prefix)
        }


async def read_form(request: Request, limit: int, expected_token: str) -> Form:
    """The form of a request; 413 when it is larger than limit, 403 without the token that our pages carry."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise HTTPException(415, f"A form is {FORM_TYPE}.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise HTTPException(413, f"A form has at most {limit} bytes.")
    try:
        fields = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise InvalidInput("this form cannot be read") from None
    form = Form(fields)
    if not same(form.text(TOKEN_FIELD), expected_token):
        raise HTTPException(403, "This form is too old or not ours. Load the page again.")
    return form
