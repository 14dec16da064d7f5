"""docker-compose.yml and what it mounts: held against its specification, and run as far as no Docker is needed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from prometheus_client.metrics import MetricWrapperBase
from ruamel.yaml import YAML

import bot.metrics
import common.metrics
import trainer.metrics
from bot.embedded import find_redis_server
from bot.queue import open_queue
from bot.settings import Settings
from tests.requests import picture_request
from trainer.contract.requests import Card
from trainer.settings import WorkerSettings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
OWN = ("bot", "worker", "worker-cpu")


def load(path: Path = COMPOSE) -> Any:
    return YAML(typ="safe").load(path)


def services() -> dict[str, dict[str, Any]]:
    return dict(load()["services"])


def test_it_keeps_to_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", sorted(load()["services"]))
def test_every_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["restart"] == "unless-stopped"
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert not [volume for volume in service.get("volumes", []) if "docker.sock" in str(volume)]


def test_everything_that_is_mounted_and_every_secret_is_there_or_made_by_the_script() -> None:
    script = (ROOT / "docker/secrets.sh").read_text()
    for secret in load()["secrets"].values():
        assert secret["file"].removeprefix("./") in script
    for service in services().values():
        for volume in service.get("volumes", []):
            if isinstance(volume, str) and volume.startswith("./"):
                assert (ROOT / volume.split(":")[0]).exists()


@pytest.mark.parametrize("name", OWN)
def test_only_settings_that_there_are_are_set(name: str) -> None:
    known = {field.upper() for kind in (Settings, WorkerSettings) for field in kind.model_fields}
    assert set(services()[name]["environment"]) <= known
    # a secret is named as its setting, for it is read as a file of that name
    assert {secret.upper() for secret in services()[name]["secrets"]} <= known


@pytest.mark.parametrize("side", ["bot", "worker"])
def test_an_image_is_not_root_and_says_how_it_is(side: str) -> None:
    recipe = (ROOT / f"docker/{side}.Dockerfile").read_text()
    final = recipe.rpartition("\nFROM ")[2]
    assert re.search(r"^USER darkroom$", final, re.M)
    assert re.search(r"^HEALTHCHECK .*common\.health", final, re.M)
    names = set(re.findall(r"\b(DARKROOM_\w+)=", final))
    assert names <= {field.upper() for kind in (Settings, WorkerSettings) for field in kind.model_fields}
    for copied in re.findall(r"^COPY (?!--from)(.+) /src\S*$", recipe, re.M):
        assert all((ROOT / path).exists() for path in copied.split())


def test_what_the_bots_image_installs_holds_no_torch() -> None:
    """The bot's image has no `trainer` extra, so what stands in the project's own dependencies is all that it gets."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for package in ("torch", "diffusers", "transformers", "peft", "accelerate", "safetensors"):
        assert not [line for line in project["dependencies"] if re.match(rf"{package}\b", line)]
        assert [line for line in project["optional-dependencies"]["trainer"] if re.match(rf"{package}\b", line)]
    assert "[trainer]" not in (ROOT / "docker/bot.Dockerfile").read_text()


def test_the_dashboard_and_the_alerts_ask_for_metrics_that_there_are() -> None:
    families = {
        name
        for module in (bot.metrics, common.metrics, trainer.metrics)
        for metric in vars(module).values()
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
        for name in (family.name, f"{family.name}_total", f"{family.name}_bucket")
    }
    dashboard = json.loads((ROOT / "docker/grafana/dashboards/darkroom.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [rule["expr"] for group in load(ROOT / "docker/alerts.yml")["groups"] for rule in group["rules"]]
    used = {name for expression in asked for name in re.findall(r"\bdarkroom_\w+", expression)}
    assert len(used) > 8
    assert used <= families


# -- Redis as the compose file starts it ------------------------------------------------------------------------------


@pytest.fixture
def guarded_redis(tmp_path: Path) -> Iterator[Path]:
    """A Redis started by docker/redis/start.sh on a socket; its password is `open sesame`."""
    server = find_redis_server()
    if server is None:
        pytest.skip("there is no redis-server")
    (tmp_path / "password").write_text("open sesame\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(server)
    socket = tmp_path / "r.sock"
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "REDIS_PASSWORD_FILE": str(tmp_path / "password"),
        "REDIS_RUN_FOLDER": str(tmp_path),
        "REDIS_DATA_FOLDER": str(tmp_path),
    }
    child = subprocess.Popen(
        ["sh", str(ROOT / "docker/redis/start.sh"), "--port", "0", "--unixsocket", str(socket)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    probe = redis.Redis(unix_socket_path=str(socket), username="health", password="none", retry=None)
    try:
        for _ in range(200):
            try:
                assert probe.ping()
                break
            except (redis.ConnectionError, FileNotFoundError):
                child.poll()
                assert child.returncode is None
                _wait_a_moment(child)
        yield socket
    finally:
        probe.close()
        child.terminate()
        child.wait()


def _wait_a_moment(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(timeout=0.05)
    except subprocess.TimeoutExpired:
        return


def connect(socket: Path, user: str | None, password: str | None) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(socket), username=user, password=password)


def test_redis_lets_nobody_in_without_the_password(guarded_redis: Path) -> None:
    for user, password in ((None, None), ("darkroom", "wrong"), ("default", "")):
        with connect(guarded_redis, user, password) as client, pytest.raises(redis.AuthenticationError):
            client.get("darkroom:attempt:1")
    digest = hashlib.sha256(b"open sesame").hexdigest()
    assert digest in (guarded_redis.parent / "users.acl").read_text()


def test_redis_runs_no_dangerous_command_and_touches_no_foreign_key(guarded_redis: Path) -> None:
    with connect(guarded_redis, "darkroom", "open sesame") as client:
        client.set("darkroom:attempt:1", b"1")
        for command in (
            "FLUSHALL", "FLUSHDB", "CONFIG GET *", "KEYS *", "SHUTDOWN", "DEBUG SLEEP 0", "SAVE", "ACL LIST",
            "MODULE LIST", "REPLICAOF NO ONE", "MONITOR", "CLIENT LIST", "SCRIPT FLUSH", "SWAPDB 0 1",
        ):  # fmt: skip
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command.split())
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.eval("return 1", 0)
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.get("another:key")


def test_the_bots_queue_has_all_rights_that_it_needs(guarded_redis: Path) -> None:
    async def play() -> None:
        async with open_queue(f"unix://darkroom:open%20sesame@{guarded_redis}") as queue:
            await queue.ping()
            request = picture_request(Card(channel_id=1, message_id=2, posted_at=3.0, requester_id=4))
            await queue.enqueue(request)
            assert await queue.is_queued(request.job_id, request.attempt)
            await queue.withdraw(request.job_id, request.attempt, "imagine", request.base)
            await queue.restore_attempts({request.job_id: 1})
            await queue.request_cancel(request.job_id)
            await queue.request_wish(request.job_id, 1, "pause", 3)
            await queue.forget(request.job_id)
            assert await queue.heartbeats() == []
            assert await queue.progress(request.job_id) is None
            assert await queue.read_events(pending=False, block_s=0.01) == []
            await queue.acknowledge(["0-1"])

    asyncio.run(play())
