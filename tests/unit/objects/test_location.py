"""Object locations and their options: three services by URL, one set of options for both clients, no shared secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from offtake.artifacts.bucket import BucketArtifacts
from offtake.errors import StorageUnavailable
from offtake.lake.storage import BucketTableStorage
from offtake.objects.bucket import Bucket
from offtake.objects.location import Access, ObjectLocation, parse_location
from offtake.objects.multipart_uploads import list_multipart_uploads

SECRETS = {
    "AWS_ACCESS_KEY_ID": "aws-id",
    "AWS_SECRET_ACCESS_KEY": "aws-secret",
    "GOOGLE_SERVICE_ACCOUNT_KEY": '{"private_key": "", "client_email": "", "private_key_id": "", "disable_oauth": true}',  # noqa: E501
    "AZURE_STORAGE_ACCOUNT_NAME": "account",
    "AZURE_STORAGE_ACCOUNT_KEY": "Zm9v",
}
ACCESS = Access(endpoint="http://127.0.0.1:9/", region="eu-central-1", allow_http=True, retries=0, secrets=SECRETS)
URLS = ["s3://exports/care/files", "gs://exports/care/files", "az://exports/care/files"]


def location(url: str) -> ObjectLocation:
    found = parse_location(url)
    assert isinstance(found, ObjectLocation)
    return found


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("s3://bucket", ("s3", "bucket", "")),
        ("s3://bucket/", ("s3", "bucket", "")),
        ("gs://bucket/a/b/", ("gs", "bucket", "a/b")),
        ("az://container/a", ("az", "container", "a")),
    ],
)
def test_a_url_names_a_bucket_and_a_prefix(url: str, parts: tuple[str, str, str]) -> None:
    found = location(url)
    assert (found.scheme, found.bucket, found.prefix) == parts
    assert found.url == url.rstrip("/")


def test_a_file_url_names_a_folder() -> None:
    assert parse_location("file:///mnt/with%20space/x") == Path("/mnt/with space/x")


@pytest.mark.parametrize("url", URLS)
def test_every_service_can_be_made_from_the_same_settings(url: str, tmp_path: Path) -> None:
    """Tests have no Google or Azure service, but the clients accept the options and refuse unknown ones."""
    bucket = Bucket(location(url), ACCESS)
    with pytest.raises(StorageUnavailable, match=r"^artifacts_url: "):
        bucket.check("artifacts_url")
    store = BucketArtifacts(tmp_path, bucket)
    store.prepare()
    storage = BucketTableStorage(bucket, tmp_path / "cache", 0)
    assert storage.uri("call") == f"{url}/call"


@pytest.mark.parametrize("url", URLS)
def test_a_service_gets_its_own_secrets_only(url: str) -> None:
    options = location(url).delta_options(ACCESS)
    own = {"s3": "aws_", "gs": "google_", "az": "azure_"}[url[:2]]
    assert {name.lower() for name in SECRETS if name.lower().startswith(own)} <= options.keys()
    assert [
        name for name in options if name.startswith(("aws_", "google_", "azure_")) and not name.startswith(own)
    ] == []
    assert all(isinstance(value, str) for value in options.values())


def test_settings_missing_from_a_url_are_given_to_both_clients() -> None:
    options = location(URLS[0]).delta_options(ACCESS)
    assert options["aws_endpoint"] == "http://127.0.0.1:9"
    assert options["aws_region"] == "eu-central-1"
    assert options["aws_virtual_hosted_style_request"] == "false"
    assert options["aws_conditional_put"] == "etag"
    assert (options["allow_http"], options["timeout"], options["max_retries"]) == ("true", "30s", "0")
    assert "aws_virtual_hosted_style_request" not in location(URLS[0]).options(Access(path_style=False))


@pytest.mark.parametrize("url", URLS[1:])
def test_unfinished_uploads_of_the_others_are_dropped_by_the_service(url: str) -> None:
    assert list(list_multipart_uploads(Bucket(location(url), ACCESS), "files/")) == []
