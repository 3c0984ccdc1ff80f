"""Tables of the Khoros dialect are total, ids have the vendor's shapes, and unsupported patterns are refused."""

from __future__ import annotations

import base64
import re
import uuid
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from offtake.model.job import OPEN, Status
from offtake.model.signing_key import SigningKey, SigningKeys
from offtake.wire.khoros.ids import access_token, ids, is_token_of, job_path, new_reference
from offtake.wire.khoros.patterns import strftime_pattern
from offtake.wire.khoros.presentation import label, presentation, translations
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.khoros.tables import LANGUAGES, STATES
from tests.fixtures.exports import EXPORT, queued
from tests.property.exporting import catalogue

SECRET = base64.urlsafe_b64encode(bytes(range(200, 232))).rstrip(b"=").decode()
KEY = SigningKey(b"key")
KEYS = SigningKeys(current=KEY)
PUBLISHED = [publication for (dialect, _), publication in catalogue().publications.items() if dialect == "khoros"]


def test_every_state_has_a_pair_of_status_words() -> None:
    """Khoros contract 4.2: only three pairs are documented."""
    assert STATES.keys() == set(Status)
    assert set(STATES.values()) == {("RUNNING", ""), ("CLOSED", "COMPLETED"), ("CLOSED", "FAILED")}
    assert {status for status, (state, _) in STATES.items() if state == "RUNNING"} == OPEN


def test_ids_have_the_shapes_of_the_samples() -> None:
    """Khoros contract 4.1, seen: a version-3 UUID, and 23 before Base64 of 32 bytes."""
    job = replace(queued(), reference=new_reference(EXPORT, tenant="acme", secret=SECRET))
    workflow, run = ids(job)
    assert uuid.UUID(workflow).version == 3
    assert re.fullmatch(r"23[A-Za-z0-9+/]{43}=", run)
    assert base64.b64decode(run[2:]) == bytes(range(200, 232))
    assert "/" in run
    path = job_path(job, "status", name="companyKey", value="a b/c")
    assert path.startswith(f"/api/public/reports/report/{workflow}/23")
    assert path.endswith("%3D/status?companyKey=a%20b%2Fc")
    assert path.count("/") == 7


def test_the_workflow_is_the_content_of_the_request() -> None:
    """Khoros contract 4.1, inferred: the same content gives the same workflowId, any other content another."""
    others = [replace(EXPORT, format="json"), replace(EXPORT, columns=("A",)), replace(EXPORT, locale="de")]
    references = [new_reference(order, tenant="acme", secret=SECRET) for order in (EXPORT, *others)]
    references.append(new_reference(EXPORT, tenant="other", secret=SECRET))
    assert len(set(references)) == len(references)
    assert new_reference(replace(EXPORT), tenant="acme", secret=SECRET) == references[0]


def test_a_token_is_bound_to_its_job() -> None:
    """Khoros contract 1.2, seen: Base64 of 16 bytes."""
    job, other = queued(), queued()
    token = access_token(job, KEY)
    assert re.fullmatch(r"[A-Za-z0-9+/]{22}==", token)
    assert is_token_of(job, token, KEYS)
    assert is_token_of(job, token.replace("+", " "), KEYS)
    assert is_token_of(job, token, SigningKeys(current=SigningKey(b"newer key"), other=KEY))
    assert not is_token_of(other, token, KEYS)
    assert not is_token_of(job, access_token(job, SigningKey(b"other key")), KEYS)
    assert not is_token_of(job, "ž", KEYS)


@pytest.mark.parametrize("publication", PUBLISHED, ids=lambda publication: publication.report)
def test_every_label_is_translated_and_unique_among_its_columns(publication: object) -> None:
    """Khoros contract 5.2, proposed: labels in five languages."""
    columns = [column for column in publication.columns if column.label]  # type: ignore[attr-defined]
    for language in LANGUAGES:
        labels = [label(column, language) for column in columns]
        assert len(set(labels)) == len(labels)
        missing = [column.label for column in columns if language not in {"en", *translations().get(column.label, {})}]
        assert missing == [], f"add these labels in {language!r} to src/offtake/wire/khoros/labels.toml"


def test_every_translation_is_used() -> None:
    used = {column.label for publication in PUBLISHED for column in publication.columns}
    assert translations().keys() <= used
    assert all(each.keys() == set(LANGUAGES) - {"en"} for each in translations().values())


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        ("MM/dd/yyyy hh:mm:ss a", "%m/%d/%Y %I:%M:%S %p"),
        ("d.M.yy H:m:s,SSS", "%-d.%-m.%y %-H:%-M:%-S,%g"),
        ("yyyy-MM-dd'T'HH:mm:ss'Z'", "%Y-%m-%dT%H:%M:%SZ"),
        ("h 'o''clock' ''a''", "%-I o'clock '%p'"),
        ("100% y", "100%% %Y"),
        ("", ""),
    ],
)
def test_patterns(pattern: str, shown: str) -> None:
    assert strftime_pattern(pattern) == shown


@pytest.mark.parametrize("pattern", ["MMM d", "EEEE", "yyyyy", "HH:mm z", "yyyy 'open", "S"])
def test_patterns_that_cannot_be_shown_stop_the_start(pattern: str) -> None:
    with pytest.raises(ValidationError):
        KhorosSettings(pattern_de=pattern)


@pytest.mark.parametrize(
    ("settings", "format_name", "headers"),
    [
        ({}, "json", ("AGENT_ID", "TOTAL_MOBILE_TIME_MILLIS")),
        ({"json_keys": "camel"}, "json", ("agentId", "totalMobileTimeMillis")),
        ({"json_keys": "label"}, "json", ("Agenten-ID", "Total Mobile Time Millis")),
        ({"json_keys": "label", "labels": "english"}, "json", ("Agent ID", "Total Mobile Time Millis")),
        ({"json_keys": "camel"}, "csv", ("Agenten-ID", "Total Mobile Time Millis")),
        ({"csv_bom": True}, "csv", ("\ufeffAgenten-ID", "Total Mobile Time Millis")),
    ],
)
def test_names_of_columns_in_a_file(settings: dict[str, Any], format_name: str, headers: tuple[str, str]) -> None:
    """Khoros contract 5.5 and 5.6, proposed."""
    publication = catalogue().publication("khoros", "user")
    assert publication is not None
    columns = tuple(column for column in publication.columns if column.name in ("AGENT_ID", "TOTAL_MOBILE_TIME_MILLIS"))
    request = replace(EXPORT, format=format_name, locale="de")
    layout = presentation(KhorosSettings(**settings))(replace(publication, columns=columns), request)
    assert layout.shown.headers == headers
