"""The OpenAPI document of a dialect, built from its table of operations.

A dialect lists its operations as rows; the router adds a route for each row, and the document describes each, so the
two cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from offtake import __version__

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
Schema = Mapping[str, Any]
STRING: Schema = {"type": "string"}
_CONVERTER = re.compile(r":\w+}")  # of a path parameter, as in {run_id:path}: routes need it, documents have none


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of an operation."""

    name: str
    location: Literal["path", "query", "header"]
    schema: Schema
    required: bool = False
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A possible response of an operation: the one with a given status."""

    description: str | None = None  # None: the phrase of the status
    content: Mapping[str, Schema] = field(default_factory=dict)  # by media type
    headers: Mapping[str, Schema] = field(default_factory=dict)  # always sent
    optional_headers: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    name: str  # of the endpoint that answers it
    operation_id: str | None = None  # None: the name
    method: str
    path: str
    undocumented_paths: tuple[str, ...] = ()  # tolerated spellings: served like ``path``, absent from the document
    summary: str
    security: Sequence[str | None] = ()  # accepted schemes; None: works without any; empty: needs none
    parameters: Sequence[Parameter] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)  # by media type
    body_required: bool = True
    answers_head: bool = True  # of a GET: whether the server answers HEAD as well; not where GET changes something
    answers: Mapping[int, Answer]

    @property
    def methods(self) -> list[str]:
        """The methods of the operation's routes. HEAD belongs to GET (RFC 9110 9.3.2); the document omits it."""
        return ["GET", "HEAD"] if self.method == "GET" and self.answers_head else [self.method]


def build_document(
    operations: Sequence[Operation],
    *,
    title: str,
    description: str,
    security_schemes: Mapping[str, Schema],
    schemas: Mapping[str, Schema] | None = None,
    public_url: str | None = None,
) -> dict[str, Any]:
    """The document, in OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        entry = paths.setdefault(_CONVERTER.sub("}", operation.path), {})
        entry[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": description},
        "servers": [{"url": public_url or "/"}],
        "paths": paths,
        "components": {
            **({"schemas": dict(schemas)} if schemas else {}),
            "securitySchemes": dict(security_schemes),
        },
    }


def constant(value: str) -> dict[str, Any]:
    """The schema of a text that is always the same. It names the type, without which generators fail."""
    return {"type": "string", "const": value}


def one_of(values: Iterable[str]) -> dict[str, Any]:
    """The schema of a text that is one of the values."""
    return {"type": "string", "enum": list(values)}


def closed_object(fields: Mapping[str, Schema], *, required: Sequence[str] | None = None) -> dict[str, Any]:
    """The schema of an object without other fields; all of them are required unless ``required`` names some."""
    names = list(fields if required is None else required)
    return {"type": "object", "properties": dict(fields), "required": names, "additionalProperties": False}


def array(items: Schema) -> dict[str, Any]:
    """The schema of a list."""
    return {"type": "array", "items": items}


def any_case(words: Iterable[str]) -> str:
    """A regular expression that matches one of the words in any letter case, without anchors."""
    spelled = (
        "".join(f"[{sign.upper()}{sign.lower()}]" if sign.isalpha() else sign for sign in word) for word in words
    )
    return "|".join(spelled)


def _operation(operation: Operation) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "operationId": operation.operation_id or operation.name,
        "summary": operation.summary,
        "security": [{} if scheme is None else {scheme: []} for scheme in operation.security],
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {str(status): _answer(status, answer) for status, answer in sorted(operation.answers.items())},
    }
    if operation.body:
        body: dict[str, Any] = {"content": _content(operation.body)}
        entry["requestBody"] = {"required": True, **body} if operation.body_required else body
    return entry


def _parameter(parameter: Parameter) -> dict[str, Any]:
    entry = {
        "name": parameter.name,
        "in": parameter.location,
        "required": parameter.required,
        "schema": dict(parameter.schema),
    }
    return entry if parameter.description is None else {**entry, "description": parameter.description}


def _answer(status: int, answer: Answer) -> dict[str, Any]:
    entry: dict[str, Any] = {"description": answer.description or HTTPStatus(status).phrase}
    headers: dict[str, Any] = {name: {"schema": schema} for name, schema in answer.optional_headers.items()}
    headers |= {name: {"required": True, "schema": schema} for name, schema in answer.headers.items()}
    if headers:
        entry["headers"] = headers
    if answer.content:
        entry["content"] = _content(answer.content)
    return entry


def _content(content: Mapping[str, Schema]) -> dict[str, Any]:
    return {media: {"schema": schema} for media, schema in content.items()}
