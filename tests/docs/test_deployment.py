"""The deployment files: their programs accept them, their settings exist, and they allow enough time to drain."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import typer.main
import yaml

from offtake.cli import app
from offtake.http.access_log import CompletedRequest
from offtake.http.hosts import ServedHosts
from offtake.http.metrics import Metrics
from offtake.http_app import build_traffic
from offtake.settings import PREFIX, Settings, load_settings
from tests.fixtures.installation import Installation
from tests.fixtures.polling import wait_for
from tests.fixtures.programs import program
from tests.fixtures.talkdesk import TalkdeskWire

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANUAL = ROOT / "docs" / "how-to" / "deploy.md"
GIVEN = {
    "OFFTAKE_HOST_NAME": "exports.example.com",
    "OFFTAKE_DATABASE_PASSWORD": "secret-of-the-database",
    "OFFTAKE_METRICS_TOKEN": "a-token-for-metrics",
    "OFFTAKE_WORKERS": "3",
}  # as in .env
BEYOND_DRAIN = 5  # seconds between a server's deadline for its workers and their kill
MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text("utf-8")))


def settings_of(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of a process with these variables; an unknown variable is an error."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    return load_settings(Path("no-such-file.toml"))


def assert_command(arguments: list[str]) -> None:
    """Check that this is an offtake command with existing options."""
    group: Any = typer.main.get_command(app)
    command = group.commands[arguments[0]]
    command.make_context(arguments[0], arguments[1:], resilient_parsing=True)


# --- compose -------------------------------------------------------------------------------------------------------


@pytest.fixture
def compose() -> dict[str, Any]:
    """The compose file with its variables filled in."""
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    filled = re.sub(r"\$\{(\w+):\?\}", lambda found: GIVEN[found[1]], text)
    assert "${" not in filled
    loaded: dict[str, Any] = yaml.safe_load(filled)
    return loaded


def test_the_example_names_every_variable_of_the_compose_file() -> None:
    used = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text("utf-8")))
    named = re.findall(r"^(\w+)=", (DEPLOY / "compose.env.example").read_text("utf-8"), re.MULTILINE)
    assert used == set(named) == GIVEN.keys()


@pytest.mark.parametrize("service", ["migrate", "worker", "server"])
def test_compose_runs_our_commands_with_our_settings(
    compose: dict[str, Any], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = compose["services"][service]
    assert_command(definition["command"])
    settings = settings_of(definition["environment"], monkeypatch)
    assert settings.state_url == f"postgresql://offtake:{GIVEN['OFFTAKE_DATABASE_PASSWORD']}@database/offtake"
    grace = int(definition.get("stop_grace_period", "0s").removesuffix("s"))
    if service == "worker":
        assert grace > settings.worker.drain_seconds + BEYOND_DRAIN
        assert definition["command"] == ["worker", "--workers", str(definition["deploy"]["replicas"])]
    if service == "server":
        assert grace > max(settings.server.drain_seconds, settings.worker.drain_seconds + BEYOND_DRAIN)
        subnet = compose["networks"]["inside"]["ipam"]["config"][0]["subnet"]
        assert settings.server.trusted_proxies == (subnet,)
        assert settings.server.public_url == "https://exports.example.com"
        assert ServedHosts(settings.server).serve("exports.example.com", "172.30.77.2")
        assert compose["services"]["proxy"]["environment"]["OFFTAKE_UPSTREAM"] == f"{service}:8080"
        assert settings.server.port == 8080


def test_the_database_health_check_of_compose_uses_tcp_like_its_clients(compose: dict[str, Any]) -> None:
    """The image's temporary server, which creates the database and ends, listens on the socket only."""
    assert "--host=127.0.0.1" in compose["services"]["database"]["healthcheck"]["test"]


# --- Kubernetes ----------------------------------------------------------------------------------------------------


@pytest.fixture
def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    """Every manifest by kind and name."""
    found = [document for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")) for document in documents(file)]
    return {(document["kind"], document["metadata"]["name"]): document for document in found}


def test_kubernetes_gives_settings_that_exist_and_time_to_drain(
    manifests: dict[tuple[str, str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = manifests["ConfigMap", "offtake"]["data"] | manifests["Secret", "offtake"]["stringData"]
    settings = settings_of(variables, monkeypatch)
    assert settings.server.host == "0.0.0.0"
    assert settings.server.worker_silence_seconds == 0
    assert ServedHosts(settings.server).serve("exports.example.com", "10.0.0.5")
    server = manifests["Deployment", "offtake-server"]["spec"]["template"]["spec"]
    worker = manifests["Deployment", "offtake-worker"]["spec"]["template"]["spec"]
    pause = server["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert server["terminationGracePeriodSeconds"] > pause + settings.server.drain_seconds
    assert worker["terminationGracePeriodSeconds"] > settings.worker.drain_seconds + BEYOND_DRAIN
    for pod in (server, worker):
        assert pod["enableServiceLinks"] is False  # OFFTAKE_PORT=tcp://… would be an unknown setting
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert_command(container["args"])
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert [each[source]["name"] for each in container["envFrom"] for source in each] == ["offtake", "offtake"]
    (container,) = server["containers"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == container["startupProbe"]["httpGet"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["timeoutSeconds"] > 2  # as long as a probe may take
    assert container["ports"] == [{"name": "http", "containerPort": settings.server.port}]
    labels = manifests["Deployment", "offtake-server"]["spec"]["template"]["metadata"]["labels"]
    assert manifests["Service", "offtake"]["spec"]["selector"] == labels


def test_each_pod_has_its_own_cache(
    manifests: dict[tuple[str, str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache is not in the home, which all pods share."""
    variables = manifests["ConfigMap", "offtake"]["data"]
    folder = settings_of(variables, monkeypatch).storage.cache_folder
    assert folder
    assert not Path(folder).is_relative_to(variables["OFFTAKE_HOME"])
    for name in ("offtake-server", "offtake-worker"):
        pod = manifests["Deployment", name]["spec"]["template"]["spec"]
        own = {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            (mounted,) = [each["name"] for each in container["volumeMounts"] if each["mountPath"] == folder]
            assert mounted in own


def test_a_variable_that_is_not_a_setting_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match="OFFTAKE_PORT: unknown option"):
        settings_of({"OFFTAKE_PORT": "tcp://10.0.0.1:80"}, monkeypatch)


# --- image ---------------------------------------------------------------------------------------------------------


def test_the_image_is_built_from_the_lock_and_does_not_run_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    instructions = [
        line.split(maxsplit=1) for line in re.sub(r"\\\n", " ", text).splitlines() if re.match(r"[A-Z]+ ", line)
    ]
    last = dict(instructions)
    assert last["USER"] == "10001:10001"
    assert [rest for word, rest in instructions if word == "RUN" and "uv sync" in rest and "--locked" not in rest] == []
    bootstrap = (ROOT / "tools" / "bootstrap.sh").read_text("utf-8")
    assert re.findall(r"uv==(\S+)", text) == re.findall(r"uv_version=(\S+)", bootstrap)
    variables = dict(re.findall(r"(OFFTAKE_\w+)=(\S+)", text))
    assert settings_of(variables, monkeypatch).server.host == "0.0.0.0"
    assert last["EXPOSE"] == str(Settings().server.port)
    copied = {
        name for word, rest in instructions if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]
    }
    assert [name for name in copied if not (ROOT / name).exists()] == []
    kept = (DEPLOY / "Containerfile.dockerignore").read_text("utf-8").splitlines()
    assert copied == {line[1:] for line in kept if line.startswith("!")}
    assert_command([re.findall(r'"(\w+)"', last["CMD"])[0]])


def test_the_image_accepts_the_extra_that_the_manual_names() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    asked = re.findall(r"--build-arg (\w+)=(\w+)", MANUAL.read_text("utf-8"))
    assert {extra for _, extra in asked} == {"temporal"} <= set(extras)
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    assert {name for name, _ in asked} == set(re.findall(r"^ARG (\w+)=$", text, re.MULTILINE))
    instructions = re.findall(r"^RUN (uv sync .*)$", text, re.MULTILINE)
    assert len(instructions) == 2
    for instruction in instructions:  # as the shell of the image reads them
        for value, expected in (("", []), ("temporal", ["--extra=temporal"])):
            command = ["sh", "-c", instruction.replace("uv sync", "echo")]
            said = subprocess.run(command, capture_output=True, text=True, check=True, env={"EXTRA": value}).stdout
            assert [word for word in said.split() if word.startswith("--extra")] == expected


# --- systemd -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["offtake.service", "offtake-worker@.service"])
def test_systemd_accepts_the_units(name: str, tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / name).read_text("utf-8")
    (started,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert_command(started.split()[1:])
    here = Path(sys.executable).with_name("offtake")
    unit = tmp_path / name.replace("@", "@1")
    unit.write_text(text.replace(started.split()[0], str(here)))
    command = [program("systemd-analyze", "deployment"), "verify", "--man=no", "--recursive-errors=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    grace = int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[0])
    settings = Settings()
    assert grace > max(settings.server.drain_seconds, settings.worker.drain_seconds + BEYOND_DRAIN)


def test_the_group_of_the_units_can_read_the_certificate_and_only_root_the_secrets() -> None:
    page = MANUAL.read_text("utf-8")
    made = {
        line.split()[-1]: line.split()[1:] for line in re.findall(r"^install .*/etc/offtake.*$", page, re.MULTILINE)
    }
    modes = {Path(path).name: int(words[words.index("--mode") + 1], 8) for path, words in made.items()}
    groups = {Path(path).name: words[words.index("--group") + 1] for path, words in made.items() if "--group" in words}
    assert modes == {"offtake": 0o750, "tls.pem": 0o644, "tls.key": 0o640}
    assert "chmod 0600 /etc/offtake/environment\n" in page
    assert set(re.findall(r'^tls_\w+ = "(.*)"$', page, re.MULTILINE)) < made.keys()
    for file in (DEPLOY / "systemd").iterdir():
        (group,) = re.findall(r"^Group=(.*)$", file.read_text("utf-8"), re.MULTILINE)
        assert groups == {"offtake": group, "tls.key": group}
        assert "EnvironmentFile=-/etc/offtake/environment" in file.read_text("utf-8")


# --- the manual ----------------------------------------------------------------------------------------------------


def test_the_manual_lists_every_metric(installation: Installation) -> None:
    installation.init()
    with installation.services() as on:
        metrics = Metrics(on, ["talkdesk"], build_traffic(Settings()))
        metrics.record_request(CompletedRequest(method="GET", route="/x", status=200, seconds=0.1, bytes=1, cut=True))
        text = bytes(metrics.exposition().body).decode()
    there = set(re.findall(r"^# TYPE (offtake_\w+) ", text, re.MULTILINE))
    there = {name for name in there if not name.endswith("_created")}
    page = MANUAL.read_text("utf-8")
    table = page.partition("| metric |")[2].partition("Metrics have no tenant label")[0]
    assert set(re.findall(r"`(offtake_\w+)", table)) == there
    alerts = page.partition("Alert on:")[2]
    assert set(re.findall(r"\b(offtake_\w+)", alerts)) <= there


def test_a_backup_made_as_the_manual_says_can_be_restored(installation: Installation, tmp_path: Path) -> None:
    """While the server runs, twice to the same target; the database first, whose file only its owner can read."""
    installation.init()
    credential = installation.add_tenant("acme")
    running = installation.serve(workers=1)
    backup = tmp_path / "backup"
    backup.mkdir()
    (installation.home / "lake/_staging").mkdir()  # of a running load
    with TalkdeskWire.connect(running.url, credential) as client:
        jobs, before = [], []
        for _ in range(2):
            jobs.append(client.create("calls", *MARCH))
            assert client.wait("calls", jobs[-1]) == "done"
            before.append(client.download("calls", jobs[-1]).content)
            _back_up(installation.home, backup, tmp_path)
    assert running.stop() == 0
    assert stat.S_IMODE((backup / "state.db").stat().st_mode) == 0o600
    assert not (backup / "state.db.new").exists()
    assert not (backup / "lake/_staging").exists()
    again = Installation(backup).serve(workers=1)
    with TalkdeskWire.connect(again.url, credential) as client:
        assert [client.download("calls", job).content for job in jobs] == before
    assert again.stop() == 0


def _back_up(home: Path, backup: Path, tmp_path: Path) -> None:
    """Run the manual's script. Python replaces its programs, which a machine may not have."""
    (script,) = re.findall(r"^```sh\n(#!/bin/sh\n.*?)^```$", MANUAL.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert 'sqlite3 /srv/offtake/state.db "' in script
    assert "rsync --archive --exclude=/lake/_staging /srv/offtake/" in script
    programs = tmp_path / "programs"
    programs.mkdir(exist_ok=True)
    for name, code in _PROGRAMS.items():
        (programs / name).write_text(f"#!{sys.executable}\n{code}")
        (programs / name).chmod(0o700)
    done = subprocess.run(
        ["sh", "-c", script.replace("/srv/offtake", str(home)).replace("/backup", str(backup))],
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        umask=0o022,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


_PROGRAMS = {
    "sqlite3": "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute(sys.argv[2]).connection.close()\n",
    "rsync": """\
import shutil, subprocess, sys
paths = [each for each in sys.argv[1:] if not each.startswith("--")]
subprocess.run(["cp", "-a", *paths], check=True)
for each in sys.argv:
    if each.startswith("--exclude=/"):
        shutil.rmtree(paths[-1] + each.removeprefix("--exclude=/"), ignore_errors=True)
""",
}


# --- proxies -------------------------------------------------------------------------------------------------------


def test_caddy_accepts_its_file() -> None:
    command = [program("caddy", "deployment"), "validate", "--adapter", "caddyfile", "--config"]
    environment = {**os.environ, **GIVEN, "OFFTAKE_UPSTREAM": "server:8080"}
    done = subprocess.run(
        [*command, str(DEPLOY / "Caddyfile")], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert '"level":"warn"' not in done.stderr


@pytest.mark.parametrize(
    ("file", "option"), [("Caddyfile", r"keepalive (\d+)s"), ("nginx.conf", r"keepalive_timeout (\d+)s")]
)
def test_a_proxy_closes_idle_connections_before_the_server_and_after_the_common_poll_intervals(
    file: str, option: str
) -> None:
    (kept,) = re.findall(option, (DEPLOY / file).read_text("utf-8"))
    assert 30 < int(kept) < Settings().server.keep_alive_seconds


@pytest.fixture
def nginx(installation: Installation, tmp_path: Path) -> Iterator[tuple[str, trustme.CA, Path]]:
    """A server behind a real nginx with the deployment's file; only paths, ports and addresses are changed."""
    installation.init("[server]\ntrusted_proxies = ['127.0.0.1']\n")
    running = installation.serve(workers=1)
    authority, port = trustme.CA(), _free_port()
    made = authority.issue_cert("localhost")
    (tmp_path / "offtake.pem").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(str(tmp_path / "offtake.key"))
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    changes = {
        "server 127.0.0.1:8080;": f"server {running.url.removeprefix('http://')};",
        "listen 80;": f"listen 127.0.0.1:{_free_port()};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/nginx/tls": str(tmp_path),
        "/var/log/nginx": str(tmp_path),
        "/run/nginx.pid": str(tmp_path / "nginx.pid"),
        "proxy_set_header X-Forwarded-Host $host;": "proxy_set_header X-Forwarded-Host $http_host;",  # has the port
        "http {\n": "http {\n" + "".join(f"    {directive}_temp_path {tmp_path};\n" for directive in _TEMPORARY),
    }
    for before, after in changes.items():
        assert text.count(before) >= 1, before
        text = text.replace(before, after)
    file = tmp_path / "nginx.conf"
    file.write_text(text)
    command = [program("nginx", "deployment"), "-e", str(tmp_path / "error.log"), "-c", str(file)]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr
    process = subprocess.Popen([*command, "-g", "daemon off; master_process off;"])
    try:
        yield f"https://localhost:{port}", authority, tmp_path
    finally:
        process.terminate()
        process.wait(timeout=60)
        assert running.stop() == 0


_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def test_an_export_through_nginx(nginx: tuple[str, trustme.CA, Path], installation: Installation) -> None:
    url, authority, folder = nginx
    context = httpx.create_ssl_context(trust_env=False)
    authority.configure_trust(context)
    credential = installation.add_tenant("acme")
    with httpx.Client(base_url=url, verify=context, trust_env=False, timeout=60) as http:
        wait_for("nginx", lambda: _answers(http))
    with TalkdeskWire.connect(url, credential, verify=context) as client:
        http = client.http
        job = client.create("calls", *MARCH)
        assert client.wait("calls", job) == "done"
        link = client.link("calls", job)
        assert link.startswith(f"{url}/download/")
        answer = http.get(link)
        assert (answer.status_code, answer.json()["total"]) == (200, 0)
        for path in ("/metrics", "/readyz", "/healthz"):  # not available through the proxy
            assert http.get(path).status_code == 404
    route = "/download/{job}/{file_name}"
    server = installation.servers[0]
    (line,) = wait_for("the line", lambda: [one for one in server.log_lines() if one.get("route") == route])
    log = folder / "offtake.log"
    wait_for(
        "the same id in both logs", lambda: line["request"] in {one.split()[-1] for one in log.read_text().splitlines()}
    )
    assert "/download/" in log.read_text()
    assert "signature" not in log.read_text()


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/data/reports").status_code == 404
    except httpx.ConnectError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
