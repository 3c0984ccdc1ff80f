"""The reference page of the native API, from its OpenAPI document, its errors and its settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from offtake.errors import ExportError, OfftakeError, Waitable
from offtake.http.errors import nearest_of
from offtake.wire.native.errors import ERRORS, HTTP_CODES, TITLES
from offtake.wire.native.openapi import DOCUMENT_PATH, document

# Bodies in the sequence of the page; what they contain follows.
_BODIES = (
    "ExportBody",
    "PreviewBody",
    "ExportTimespan",
    "FilterBody",
    "ParametersBody",
    "CsvOptions",
    "SplitBody",
    "RetentionBody",
)
_ANSWERS = (
    "ExportDocument",
    "ProgressDocument",
    "NoticeDocument",
    "EstimateDocument",
    "PreviewDocument",
    "ReportDocument",
    "ColumnDocument",
    "ManifestDocument",
    "FileDocument",
    "LimitsDocument",
    "UsageDocument",
)
_UNLIMITED = 2**53  # the largest whole number of JSON: no bound
_INTERNAL = {"wait", "invalid_grant", "invalid_scope", "link_refused", "link_expired", "impersonation_refused"}
_INTERNAL |= {
    "account_not_verified",
    "shared_table_not_found",
    "shared_version_not_found",
}  # no path of this API raises them


def native_page(generated: str) -> str:
    """Return the page; ``generated`` is the comment of generated pages."""
    made = document(None, None)  # type: ignore[arg-type]  # the document does not depend on the catalogue
    schemas = made["components"]["schemas"]
    lines = [
        "# The native API",
        "",
        generated,
        "",
        f"All paths begin with `/v1`. The server describes the API as OpenAPI 3.1 at `{DOCUMENT_PATH}`, and shows it in"
        " a viewer at `/docs/native`. [First export](../tutorials/first-export.md) teaches it by example. The"
        " [settings](settings.md#native) are in the table `[native]`.",
        "",
        "A client sends a token in the header `Authorization: Bearer TOKEN`: one from `offtake credential add TENANT"
        " --kind token`, or an access token that an OAuth client got at `/oauth/token`. Instants in answers are RFC"
        " 3339 in UTC. Every answer has an `X-Request-Id`; counted requests have `RateLimit` and `RateLimit-Policy`"
        " (IETF draft *RateLimit header fields for HTTP*).",
        "",
        "## Operations",
        "",
        "| request | scope | answers | |",
        "| --- | --- | --- | --- |",
    ]
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            scope = next(iter(operation["security"][0].values()))[0]
            statuses = ", ".join(status for status in sorted(operation["responses"]) if status < "400")
            text = operation["description"].partition("\n")[0]
            lines.append(f"| `{method.upper()} {path}` | {scope} | {statuses} | {_cell(text)} |")
    lines += ["", "## Parameters and headers", "", "| request | name | in | meaning |", "| --- | --- | --- | --- |"]
    lines += _parameters(made["paths"])
    for name in (*_BODIES, *_ANSWERS):
        lines += _fields(name, schemas[name])
    lines += _words(schemas)
    lines += _problems()
    return "\n".join(lines) + "\n"


def _parameters(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in paths.items():
        for method, operation in operations.items():
            for each in operation.get("parameters", ()):
                if text := each.get("description"):
                    meaning = text + _bounds(each["schema"])
                    yield f"| `{method.upper()} {path}` | `{each['name']}` | {each['in']} | {_cell(meaning)} |"


def _fields(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"## {name}", "", schema["description"], "", "| field | type | meaning |", "| --- | --- | --- |")
    required = set(schema.get("required", ()))
    for field, about in schema["properties"].items():
        needed = " (required)" if field in required and name.endswith(("Body", "Timespan")) else ""
        yield f"| `{field}`{needed} | {_cell(_type(about))} | {_cell(_meaning(about))} |"


def _words(schemas: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Words", "", "Values of the types that are a fixed set of words.", "", "| type | values |")
    yield "| --- | --- |"
    for name, schema in sorted(schemas.items()):
        if "enum" in schema:
            yield f"| `{name}` | {_type(schema)} |"


def _meaning(about: Mapping[str, Any]) -> str:
    return f"{about.get('description', '')}{_bounds(about)}".strip()


def _bounds(about: Mapping[str, Any]) -> str:
    """Return the least, the most and the default value of a field in words."""
    found: Iterator[Mapping[str, Any]] = iter((about, *about.get("anyOf", ())))
    bounds = next((each for each in found if each.get("minimum")), None)
    text = ""
    if bounds is not None:
        most = bounds.get("maximum", _UNLIMITED)
        text = f" At least {bounds['minimum']:,.0f}" + (f", at most {most:,.0f}." if most < _UNLIMITED else ".")
    default = about.get("default")
    if default in (None, "", [], {}):
        return text
    shown = default if isinstance(default, str) else json.dumps(default)
    return f"{text} Default: `{shown.replace(chr(13), 'CR ').replace(chr(10), 'LF')}`."


def _type(about: Mapping[str, Any]) -> str:
    """Return the type of a value in words."""
    if "$ref" in about:
        return f"`{about['$ref'].rpartition('/')[2]}`"
    if "anyOf" in about:
        return " or ".join(dict.fromkeys(_type(each) for each in about["anyOf"]))
    if "enum" in about:
        return ", ".join(f"`{each}`" for each in about["enum"])
    if about.get("type") == "array":
        return f"list of {_type(about.get('items', {}))}"
    return str(about.get("format") or about.get("type") or "any")


def _problems() -> Iterator[str]:
    yield from (
        "",
        "## Problems",
        "",
        "An error is a problem (RFC 9457, `application/problem+json`) with `type`, `title`, `status`, `code`, `detail`,"
        " `request` and `errors`. The `code` is for programs and never changes. Each entry of `errors` has the JSON"
        " pointer (RFC 6901) of a value in the body, or the name of a `parameter`; a `message`; and, if they can be"
        " listed, the `accepted` values and the `nearest` one.",
        "",
        "| status | code | retry | |",
        "| ---: | --- | --- | --- |",
    )
    statuses = {code: status for status, code in HTTP_CODES.items()} | {"body_too_large": 400, "malformed_request": 400}
    statuses |= {error.code: nearest_of(ERRORS, error) for error in _below(ExportError)}
    waits = {error.code for error in _below(ExportError) if issubclass(error, Waitable)}
    for code, status in sorted(statuses.items(), key=lambda row: (row[1], row[0])):
        if code not in _INTERNAL:
            yield f"| {status} | `{code}` | {'after `Retry-After`' if code in waits else ''} | {TITLES[code]} |"


def _below(error: type[OfftakeError]) -> Iterator[type[OfftakeError]]:
    for each in error.__subclasses__():
        if each.__module__ == "offtake.errors":
            yield each
            yield from _below(each)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
