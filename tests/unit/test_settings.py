"""Settings: precedence, and the errors that stop the start with file, line and a suggestion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from offtake.errors import SettingsError
from offtake.settings import Settings, load_settings, masked, rows
from offtake.wire.talkdesk.settings import TalkdeskSettings

_SOURCE = '[sources.calls]\ntenant = "acme"\nlocation = "in"\npattern = "*.csv"\n'


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "offtake.toml"
    file.write_text(text)
    return file


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(SettingsError) as error:
        load_settings(written(tmp_path, text))
    return error.value.message.replace(str(tmp_path), "")


def test_without_a_file_the_defaults_apply(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "absent.toml") == Settings()


def test_flags_override_the_environment_which_overrides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "[server]\nport = 1\nhost = 'a'\nworkers = 7\n")
    monkeypatch.setenv("OFFTAKE_SERVER__PORT", "2")
    monkeypatch.setenv("OFFTAKE_SERVER__HOST", "b")
    server = load_settings(file, {"server": {"port": 3}}).server
    assert (server.port, server.host, server.workers) == (3, "b", 7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[worker]\nthreds = 2\n", r"/offtake.toml:2: unknown option worker.threds; did you mean worker.threads\?"),
        ("\n[workr]\nthreads = 2\n", r"/offtake.toml:2: unknown option workr; did you mean worker\?"),
        (
            "[server]\n\nport = 'x'\n",
            r"/offtake.toml:3: server.port: 'x' is not a whole number, at least 0 and .* 65535$",
        ),
        (
            '[sources.calls]\ntenant = "acme"\nlocation = "in"\npattern = "*.csv"\n',
            r"sources.calls: a source needs table or mapping",
        ),
        (
            '[sources.calls]\ntenant = "acme"\nlocation = "in"\npattern = "*.csv"\ntable = "cal"\n',
            r"sources.calls: 'cal' is no table",
        ),
        (
            '[sources.calls]\ntenant = "acme"\nlocation = "in"\npattern = "*.csv"\ntable = "call"\nevry_seconds = 1\n',
            r":6: unknown option .*did you mean every_seconds\?",
        ),
        (
            '[sources.calls]\ntenant = "acme"\nlocation = "in"\npattern = "*.csv"\ntable = "call"\nmax_rejects = "x"\n',
            r":6: sources.calls.max_rejects: .*number of rows",
        ),
        ("[server]\nport = 70000\n", r"/offtake.toml:2: server.port: 70000 is not .*, at least 0 and at most 65535$"),
        (
            "[server]\npublic_url = 'exports.example'\n",
            r"/offtake.toml:2: server.public_url: 'exports.example' does not .* such as https:",
        ),
        (
            "[talkdesk]\ncsv_header = 'x'\n",
            r"/offtake.toml:2: talkdesk.csv_header: 'x' is not one of .labels., .names.$",
        ),
        (
            "[worker]\nheartbeat_seconds = 10\nlease_seconds = 20\n",
            r"/offtake.toml:3: worker.lease_seconds: contradicts heartbeat_seconds = 10",
        ),
        ("[server]\ntls_certificate = 'x'\n", r"server.tls_key: tls_certificate and tls_key must be set together"),
        (
            "[server]\ntls_key = 'x'\n",
            r"/offtake.toml:2: server.tls_key: tls_certificate and tls_key must be set together",
        ),
        ("[server]\ntls_minimum = '1.1'\n", r"/offtake.toml:2: server.tls_minimum: '1.1' is not one of .1.2., .1.3.$"),
        (
            "[server]\ntrusted_proxies = ['proxy']\n",
            r"/offtake.toml:2: server.trusted_proxies: 'proxy' does not appear",
        ),
        ("[server]\ntrusted_proxies = ['10.1.2.3/8']\n", r"server.trusted_proxies: 10.1.2.3/8 has host bits set"),
        ("[metrics]\ntoken = 'too short'\n", r"/offtake.toml:2: metrics.token: (?!.*too short)"),
        ("[metrics]\ntoken = 12345678\n", r"/offtake.toml:2: metrics.token: (?!.*1234)"),
        ("state_url = 'postgresql:/ann:s3cret'\n", r"/offtake.toml:1: state_url: the value does not .* postgresql://"),
        ("[server]\ntrusted_proxies = '10.0.0.1'\n", r"/offtake.toml:2: .*'10.0.0.1' is not a list of texts"),
        ("[catalogue]\nfolders = [7]\n", r"/offtake.toml:2: catalogue.folders: 7 is not a list of texts"),
        ("[server]\nhots = 'x'\n", r"/offtake.toml:2: unknown option server.hots; did you mean server.hosts\?"),
        ("[server]\nfoo = 'x'\n", r"/offtake.toml:2: unknown option server.foo; options here: .*host, .*workers"),
        ("port = 80\n", r"/offtake.toml:1: unknown option port; did you mean server.port\?"),
        ("[nothing]\nx = 1\n", r"/offtake.toml:1: unknown option nothing; tables and options here: .*server"),
        ("server = 1\n", r"/offtake.toml:1: server: must be a table"),
        ('[server]\nhost = ["\\u001b[2J"]\n', r"/offtake.toml:2: server.host: \['\\x1b\[2J'\] is not a text"),
        ('[log]\nlevel = "\\u001b[2J"\n', r"/offtake.toml:2: log.level: '\\x1b\[2J' is not one of"),
        ("[server\n", r"/offtake.toml:1: not TOML"),
    ],
)
def test_a_bad_line_stops_the_start_and_is_named(tmp_path: Path, text: str, expected: str) -> None:
    assert re.search(expected, refused(tmp_path, text)), refused(tmp_path, text)


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "[metrics]\ntoken = 'quite-a-long-secret'\n"))
    shown = {(section, name): value for section, name, _, _, value in rows(settings)}
    assert shown["metrics", "token"] == "***"
    assert "quite-a-long-secret" not in f"{settings!r}{settings.model_dump(mode='json')}"


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    assert len(refused(tmp_path, "[server]\nport = -1\nhots = 'x'\n").splitlines()) == 2


def test_an_unknown_variable_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFTAKE_CLIENT_URL", "https://exports.example.com")  # of the client, which knows others
    monkeypatch.setenv("OFFTAKE_WORKER__THREDS", "2")
    expected = "OFFTAKE_WORKER__THREDS: unknown option; did you mean OFFTAKE_WORKER__THREADS?"
    assert refused(tmp_path, "") == f"environment variable {expected}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("OFFTAKE_FOO", "offtake config show lists all options"),
        ("OFFTAKE_HOST", "did you mean OFFTAKE_SERVER__HOST?"),
        ("OFFTAKE_SERVER_PORT", "did you mean OFFTAKE_SERVER__PORT?"),
        ("OFFTAKE_SERVER__PUBLICURL", "did you mean OFFTAKE_SERVER__PUBLIC_URL?"),
        ("OFFTAKE_WORKERS", "did you mean OFFTAKE_SERVER__WORKERS?"),
        ("OFFTAKE_STATE", "did you mean OFFTAKE_STATE_URL?"),
        ("OFFTAKE_LOG", "it is a table; set its options one by one, such as OFFTAKE_LOG__LEVEL"),
    ],
)
def test_an_unknown_variable_gets_one_hint_that_makes_sense(
    name: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "5")
    assert refused(tmp_path, "") == f"environment variable {name}: unknown option; {hint}"


def test_a_bad_flag_is_named_with_its_value(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^option --port: server.port: 70000 is not a whole number"):
        load_settings(written(tmp_path, "[server]\nport = 1\n"), {"server": {"port": 70000}})


def test_a_bad_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFTAKE_SERVER__PORT", "many")
    assert "environment variable OFFTAKE_SERVER__PORT: server.port" in refused(tmp_path, "")


@pytest.mark.parametrize("name", ["OFFTAKE_SERVER__TRUSTED_PROXIES", "OFFTAKE_CATALOGUE__FOLDERS"])
def test_a_variable_that_should_be_a_list_is_named_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("OFFTAKE_SERVER__HOST", "10.0.0.0/8")
    monkeypatch.setenv(name, "10.0.0.0/8")
    assert (
        refused(tmp_path, "") == f'environment variable {name}: not a list; write it as JSON, {name}=\'["one", "two"]\''
    )


def test_a_list_in_a_variable_is_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFTAKE_SERVER__TRUSTED_PROXIES", '["10.0.0.0/8"]')
    assert load_settings(tmp_path / "absent.toml").server.trusted_proxies == ("10.0.0.0/8",)


def test_a_variable_for_a_whole_table_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFTAKE_SERVER", "secret")
    said = refused(tmp_path, "")
    assert "environment variable OFFTAKE_SERVER: unknown option" in said
    assert "secret" not in said


def test_a_flag_does_not_hide_a_bad_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"offtake.toml:2: server.port"):
        load_settings(written(tmp_path, "[server]\nport = 'x'\n"), {"server": {"port": 0}})


def test_a_tenant_has_its_own_values_over_those_for_all(tmp_path: Path) -> None:
    text = "[talkdesk]\nopen_jobs = 20\nrows = 7\n[tenants.acme.talkdesk]\nopen_jobs = 30\n"
    settings = load_settings(written(tmp_path, text))
    assert settings.table("talkdesk", "acme") == TalkdeskSettings(open_jobs=30, rows=7)
    assert settings.table("talkdesk", "other") == settings.talkdesk == TalkdeskSettings(open_jobs=20, rows=7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[tenants.acme.talkdesk]\nopen_job = 2\n",
            r"/offtake.toml:2: unknown option tenants.acme.talkdesk.open_job; did you mean .*open_jobs\?",
        ),
        (
            "[tenants.acme.talkdesk]\n\nrows = 0\n",
            r"/offtake.toml:3: tenants.acme.talkdesk.rows: 0 is not .* of at least 1$",
        ),
        ("[tenants.acme.worker]\nthreads = 2\n", r"/offtake.toml:1: tenants.acme.worker: .*override only .*talkdesk"),
        ("[tenants]\nacme = 2\n", r"/offtake.toml:2: tenants.acme: "),
    ],
)
def test_a_bad_line_of_a_tenant_stops_the_start_and_is_named(tmp_path: Path, text: str, expected: str) -> None:
    assert re.search(expected, refused(tmp_path, text)), refused(tmp_path, text)


@pytest.mark.parametrize("option", [f"{table}.{name}" for table, name, *_ in rows() if name.endswith("_seconds")])
@pytest.mark.parametrize("value", ["1e300", "inf", "nan"])
def test_a_duration_longer_than_any_clock_stops_the_start(tmp_path: Path, option: str, value: str) -> None:
    section, _, name = option.rpartition(".")
    assert f"/offtake.toml:2: {option}: " in refused(tmp_path, f"[{section}]\n{name} = {value}\n")


def test_every_option_has_help() -> None:
    assert [name for _, name, _, description, _ in rows() if not description.endswith(".")] == []


def test_an_option_outside_sections_is_read_from_the_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "state_url = 'postgresql://a:b@db/file'\n[server]\nport = 1\n")
    assert load_settings(file).state_url == "postgresql://a:b@db/file"
    monkeypatch.setenv("OFFTAKE_STATE_URL", "postgresql://a:b@db/variable")
    assert load_settings(file).state_url == "postgresql://a:b@db/variable"


def test_an_unusable_state_url_stops_the_start_and_is_not_repeated(tmp_path: Path) -> None:
    said = refused(tmp_path, "state_url = 'mysql://a:secret@db/x'\n")
    assert "/offtake.toml:1: state_url: " in said
    assert "secret" not in said


def test_a_password_in_a_url_is_never_shown(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "state_url = 'postgresql://ann:secret@db/offtake'\n"))
    shown = {name: value for section, name, _, _, value in rows(settings) if not section}
    assert shown["state_url"] == "postgresql://ann:***@db/offtake"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:SEC/RET@db/offtake", "postgresql://ann:***@db/offtake"),
        ("postgresql://ann:SEC:RET@db:5432/offtake", "postgresql://ann:***@db:5432/offtake"),
        ("postgresql://ann:SEC@R/ET@db/offtake", "postgresql://ann:***@db/offtake"),
        ("postgresql://ann:SEC?RET@db/offtake", "postgresql://ann:***@db/offtake"),
        ("postgresql://:SECRET@db/offtake", "postgresql://:***@db/offtake"),
        (
            "postgresql://db/offtake?user=ann&password=SECRET&sslpassword=SEC/RET&sslmode=require",
            "postgresql://db/offtake?user=ann&password=***&sslpassword=***&sslmode=require",
        ),
        (
            "postgresql://ann:SECRET@db/offtake?application_name=a@b&password=SEC@RET",
            "postgresql://ann:***@db/offtake?application_name=a@b&password=***",
        ),
        ("postgresql://ann@db:5432/offtake?passfile=/x", "postgresql://ann@db:5432/offtake?passfile=/x"),
        ("sqlite:////srv/offtake/state.db", "sqlite:////srv/offtake/state.db"),
    ],
)
def test_passwords_are_masked_in_every_position_of_a_url(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_public_url_loses_its_last_slash(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "[server]\npublic_url = 'https://e.example/x/'\n"))
    assert settings.server.public_url == "https://e.example/x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lake_url = 's3://key:secret@bucket/x'\n", "/offtake.toml:1: lake_url: "),
        ("artifacts_url = 'ftp://host/secret'\n", "/offtake.toml:1: artifacts_url: "),
        ("artifacts_url = 's3:///secret'\n", "/offtake.toml:1: artifacts_url: "),
        ("lake_url = 's3://b/../secret?x'\n", "/offtake.toml:1: lake_url: "),
        ("[storage]\nendpoint = 'https://me:secret@host'\n", "/offtake.toml:2: storage.endpoint: "),
        ("[storage]\nendpoint = 'http://host:9000'\n", "use https:// or set allow_http = true"),
    ],
)
def test_an_invalid_location_stops_the_start_and_is_not_repeated(tmp_path: Path, text: str, said: str) -> None:
    message = refused(tmp_path, text)
    assert said in message
    assert "secret" not in message


@pytest.mark.parametrize("url", ["s3://b", "s3://b.ucket-1/a/b=c", "gs://b/x", "az://container/x", "file:///mnt/x"])
def test_valid_locations_are_accepted(tmp_path: Path, url: str) -> None:
    settings = load_settings(written(tmp_path, f"artifacts_url = '{url}'\nlake_url = '{url}'\n"))
    assert settings.artifacts_url == settings.lake_url == url
