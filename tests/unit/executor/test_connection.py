"""Settings of the connection to Temporal: TLS, keys, and the errors for missing values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.service import RPCError, RPCStatusCode

from offtake.composition.executor import build_temporal
from offtake.errors import SettingsError
from offtake.executor.settings import TemporalSettings
from offtake.executor.temporal.address import TemporalAddress, Tls
from offtake.executor.temporal.connection import describe_error, tls_config
from offtake.home import Home
from offtake.settings import Settings, load_settings, rows


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a client certificate and its key."""
    for name in ("ca", "certificate", "key"):
        (tmp_path / f"{name}.pem").write_text(f"contents of {name}")
    (tmp_path / "api.key").write_text("the api key\n")
    return Home(tmp_path)


def address(home: Home, **temporal: object) -> TemporalAddress:
    return build_temporal(home, Settings(temporal=TemporalSettings.model_validate(temporal)))


def test_the_default_is_a_local_server_without_tls(home: Home) -> None:
    assert address(home) == TemporalAddress(target="127.0.0.1:7233", namespace="default", queue="offtake")


def test_certificates_are_read_from_paths_relative_to_the_home_or_absolute(home: Home, tmp_path: Path) -> None:
    files = {
        "tls_ca_file": "ca.pem",
        "tls_certificate_file": "certificate.pem",
        "tls_key_file": str(tmp_path / "key.pem"),
    }
    found = address(home, address="ns.tmprl.cloud:7233", namespace="ns", **files)
    assert found.tls == Tls(root=b"contents of ca", certificate=b"contents of certificate", key=b"contents of key")
    config = tls_config(found)
    assert config
    assert config is not True
    assert config.server_root_ca_cert == b"contents of ca"
    assert (config.client_cert, config.client_private_key) == (b"contents of certificate", b"contents of key")


@pytest.mark.parametrize(
    "given", [{"tls": True}, {"api_key": "k"}, {"api_key_file": "api.key"}, {"tls_ca_file": "ca.pem"}]
)
def test_secrets_require_tls(home: Home, given: dict[str, object]) -> None:
    assert tls_config(address(home, **given))


def test_without_tls_settings_there_is_no_tls(home: Home) -> None:
    assert tls_config(address(home)) is False


def test_an_api_key_comes_from_a_file_or_the_environment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert address(home, api_key_file="api.key").api_key == "the api key"
    monkeypatch.setenv("OFFTAKE_TEMPORAL__API_KEY", "from outside")
    assert build_temporal(home, load_settings(home.settings)).api_key == "from outside"


def test_shown_settings_contain_no_secret(home: Home) -> None:
    settings = Settings(temporal=TemporalSettings.model_validate({"api_key": "sesame"}))
    found = build_temporal(home, settings)
    files = address(home, tls_certificate_file="certificate.pem", tls_key_file="key.pem")
    shown = f"{settings!r} {found!r} {files!r} {list(rows(settings))} {settings.model_dump_json()}"
    assert "contents of" not in shown
    assert "sesame" not in shown


@pytest.mark.parametrize("option", ["tls_ca_file", "api_key_file"])
def test_a_missing_file_is_named(home: Home, option: str) -> None:
    with pytest.raises(SettingsError, match=rf"temporal.{option}: absent cannot be read: No such file"):
        address(home, **{option: "absent"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tls_key_file = 'k'", "tls_certificate_file and tls_key_file need each other"),
        ("api_key = 'k'\napi_key_file = 'f'", "api_key contradicts api_key_file"),
        ("address = 'https://ann:sesame@temporal:7233'", "temporal.address"),
        ("activities = 0", "temporal.activities"),
    ],
)
def test_contradictory_settings_stop_the_start(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "offtake.toml"
    file.write_text(f"executor = 'temporal'\n[temporal]\n{text}\n")
    with pytest.raises(SettingsError, match=expected) as error:
        load_settings(file)
    assert "sesame" not in error.value.message


def test_an_error_names_its_kind_and_never_the_servers_text() -> None:
    assert describe_error(RPCError("sesame", RPCStatusCode.PERMISSION_DENIED, b"")) == "permission_denied"
    assert describe_error(RuntimeError("sesame")) == "not_accepted"


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_library_is_imported_only_if_temporal_is_chosen() -> None:
    code = (
        "import sys, offtake.server, offtake.worker; "
        "print(sorted(m for m in sys.modules if m.startswith('temporalio')))"
    )
    assert python(code) == "[]"


def test_a_missing_library_is_named_with_the_extra_that_brings_it() -> None:
    code = """
import sys
sys.modules["temporalio"] = None
from pathlib import Path
from offtake.composition.executor import build_executor
from offtake.errors import SettingsError
from offtake.home import Home
from offtake.settings import Settings
try:
    build_executor(Home(Path(".")), Settings(executor="temporal"))
except SettingsError as error:
    print(error.message)
"""
    assert 'pip install "offtake[temporal]"' in python(code)
