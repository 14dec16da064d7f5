"""Starting: `python -m bot`, `darkroom`, and the embedded Redis, as a person meets them."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from bot.cli import app
from bot.doctor import describe_base, examine, show
from bot.embedded import embedded_redis, find_redis_server
from bot.errors import StartupFault
from bot.queue import open_queue
from bot.settings import Settings, load_settings
from bot.supervise import child_environment, up
from tests.bot.worlds import World, base_info

ROOT = Path(__file__).parents[2]


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of ours in a bare environment."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)


def settings_of(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings(env_file=None)


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({}, 2, "DISCORD_TOKEN is not set"),
        ({"DISCORD_TOKEN": "x"}, 2, "REDIS_URL is not set"),
        ({"DISCORD_TOKEN": "x", "REDIS_URL": "unix:///nowhere/redis.sock"}, 1, "Redis at REDIS_URL does not answer"),
        ({"DISCORD_TOKEN": "x", "REDIS_URL": "nonsense"}, 2, "REDIS_URL can't be used"),
        ({"DISCORD_TOKEN": "x", "REDIS_URL": "unix:///x", "DARKROOM_DATA": "/proc/no"}, 2, "can't be written"),
    ],
)
def test_a_fault_at_start_is_one_sentence(tmp_path: Path, environment: dict[str, str], code: int, words: str) -> None:
    ended = run("-m", "bot", cwd=tmp_path, **environment)
    assert ended.returncode == code
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_a_command_says_what_it_does_and_a_fault_in_one_sentence(tmp_path: Path) -> None:
    shown = run("-m", "bot.cli", "--help", cwd=tmp_path)
    assert all(command in shown.stdout for command in ("up", "bot", "worker", "demo", "doctor"))
    ended = run("-m", "bot.cli", "up", cwd=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "DISCORD_TOKEN is not set" in ended.stderr


def test_other_programs_are_started_as_programs(tmp_path: Path) -> None:
    for name in ("trainer", "sandbox"):
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "__main__.py").write_text(f"import sys\nprint('{name}', *sys.argv[1:])\nsys.exit(7)\n")
    # the current folder comes first on the path of `python -m`
    started = run("-m", "bot.cli", "demo", "--headless", "--out", "x", cwd=tmp_path)
    assert (started.returncode, started.stdout) == (7, "sandbox demo --headless --out x\n")


def test_the_command_line_imports_neither_trainer_nor_sandbox_nor_the_gpu_stack(tmp_path: Path) -> None:
    code = (
        "import sys, bot.cli, bot.services, bot.supervise, bot.doctor\n"
        "heavy = {'torch', 'numpy', 'sandbox', 'diffusers', 'PIL'} & set(sys.modules)\n"
        "ours = [name for name in sys.modules if name.startswith('trainer.') and 'contract' not in name]\n"
        "assert not heavy and not ours, (heavy, ours)"
    )
    ended = run("-c", code, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr


async def test_the_embedded_redis_keeps_what_it_was_told(tmp_path: Path) -> None:
    for told, known in ((b"1", None), (b"2", b"1")):
        async with embedded_redis(tmp_path / "data") as url, open_queue(url) as queue:
            assert url.startswith("unix://")
            assert await queue._redis.get("key") == known
            await queue._redis.set("key", told)
    assert not (tmp_path / "data" / "redis" / "redis.sock").exists()


async def test_a_second_darkroom_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with embedded_redis(tmp_path):
        with pytest.raises(StartupFault, match="Darkroom runs already in"):
            async with embedded_redis(tmp_path):
                pass


async def test_a_long_path_does_not_keep_redis_from_starting(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    async with embedded_redis(deep) as url, open_queue(url) as queue:
        await queue.ping()
    assert (deep / "redis").is_dir()


async def test_without_a_redis_server_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis_server() is None
    with pytest.raises(StartupFault, match="apt install redis-server"):
        async with embedded_redis(tmp_path):
            pass


PART = """
import os, signal, sys, redis, time
client = redis.Redis.from_url(os.environ["REDIS_URL"])
def stop(*_):
    client.rpush("said", f"{sys.argv[1]} stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
client.rpush("said", f"{sys.argv[1]} {os.environ['DISCORD_TOKEN']} {client.incr(sys.argv[1])}")
if sys.argv[1] == "bot" and client.get("bot") == b"1":
    os.kill(os.getpid(), signal.SIGKILL)
while True:
    time.sleep(60)
"""


async def test_up_starts_all_parts_again_when_they_crash_and_stops_them(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.supervise.FIRST_WAIT_S", 0.0)
    settings = settings_of(monkeypatch, DISCORD_TOKEN="t", REDIS_URL=redis_url, DARKROOM_DATA=str(tmp_path))
    parts = {name: ("-c", PART, name) for name in ("bot", "worker")}
    async with open_queue(redis_url) as queue:
        running = asyncio.create_task(up(settings, parts))
        said: list[bytes] = []
        async with asyncio.timeout(60):
            while len(said) < 3:
                said.append((await queue._redis.blpop("said", timeout=0.5) or (b"", b""))[1])
                said = [line for line in said if line]
            assert sorted(said) == [b"bot t 1", b"bot t 2", b"worker t 1"]
            os.kill(os.getpid(), signal.SIGTERM)
            assert await running == 0
        assert sorted(await queue._redis.lrange("said", 0, -1)) == [b"bot stopped", b"worker stopped"]


async def test_up_ends_with_a_part_that_ends_for_good(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(monkeypatch, DISCORD_TOKEN="t", REDIS_URL=redis_url, DARKROOM_DATA=str(tmp_path))
    parts = {"bot": ("-c", "import sys; sys.exit(2)"), "worker": ("-c", PART, "worker")}
    async with asyncio.timeout(60):
        assert await up(settings, parts) == 2


def test_children_get_all_settings_spelled_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DISCORD_TOKEN=from-file\nDARKROOM_DATA=here\n")
    environment = child_environment(load_settings(), "unix:///x.sock")
    assert environment["DISCORD_TOKEN"] == "from-file"
    assert environment["DARKROOM_DATA"] == str(tmp_path / "here")
    assert environment["REDIS_URL"] == "unix:///x.sock"
    assert "DARKROOM_BASES" not in environment


async def test_the_doctor_names_what_is_wrong_and_the_way_out(
    world: World, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.beat("1:1", worker_id="studio", bases=("emoji-64", "sd15"))
    healthy = settings_of(monkeypatch, DISCORD_TOKEN="t", REDIS_URL=redis_url, DARKROOM_DATA=str(tmp_path / "data"))
    console = Console(width=160, record=True, file=io.StringIO())
    assert show(await examine(healthy), console)
    assert "studio on cpu: imagine, train, merge; emoji-64, sd15; 1 running" in console.export_text()
    ill = settings_of(
        monkeypatch, DISCORD_TOKEN="", REDIS_URL=f"unix://{tmp_path}/gone.sock", DARKROOM_BASES=str(tmp_path / "none")
    )
    findings = await examine(ill)
    assert [finding.subject for finding in findings if finding.verdict == "fault"] == [
        "Discord token",
        "Bases",
        "Redis",
    ]
    assert all(finding.way_out for finding in findings if finding.verdict != "ok")


def test_the_doctor_says_what_a_worker_knows_of_a_base() -> None:
    plain = base_info("sd15")
    assert describe_base(plain) == "sd15"
    known = msgspec.structs.replace(plain, tuning="channels_last, 1.2 times as fast", vaes=("ft-mse", "kl-f8"))
    assert describe_base(known) == "sd15 (channels_last, 1.2 times as fast; VAEs ft-mse, kl-f8)"


async def test_the_doctor_says_whether_explicit_pictures_are_told(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = {"REDIS_URL": redis_url, "DARKROOM_DATA": str(tmp_path / "data")}
    on = settings_of(monkeypatch, DARKROOM_EXPLICIT_FROM="0.6", **common)
    [found] = [finding for finding in await examine(on) if finding.subject == "Explicit pictures"]
    assert (found.verdict, found.found) == ("ok", "told from a score of 0.6 on")
    off = settings_of(monkeypatch, DARKROOM_CLASSIFIER="off", **common)
    [found] = [finding for finding in await examine(off) if finding.subject == "Explicit pictures"]
    assert (found.verdict, found.way_out) == ("look", "set DARKROOM_CLASSIFIER=on")


async def test_the_doctor_names_the_bases_in_all_their_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bases = tmp_path / "bases"
    (bases / "sd15").mkdir(parents=True)
    (bases / "sd15" / "model_index.json").write_text("{}")
    (bases / "photon.safetensors").touch()
    (bases / "old.ckpt").touch()
    settings = settings_of(
        monkeypatch, DARKROOM_BASES=str(bases), DARKROOM_HUB_BASES="me/xl", DARKROOM_DATA=str(tmp_path / "data"),
        REDIS_URL=f"unix://{tmp_path}/gone.sock",
    )  # fmt: skip
    [found] = [finding for finding in await examine(settings) if finding.subject == "Bases"]
    assert found.verdict == "look"
    assert found.found == "photon.safetensors, sd15, me/xl of the hub; pickles are never opened: old.ckpt"


def test_a_hub_id_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartupFault, match=r"DARKROOM_HUB_BASES can't be used: takes ids such as .* got 'sdxl'"):
        settings_of(monkeypatch, DARKROOM_HUB_BASES="me/xl, sdxl")
    assert settings_of(monkeypatch, DARKROOM_HUB_BASES="me/xl, you/sd ,").hub_ids == ("me/xl", "you/sd")


def test_the_doctor_runs_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["doctor"], env={"DISCORD_TOKEN": "", "DARKROOM_DATA": str(tmp_path)})
    assert result.exit_code == 1
    assert "Discord token" in result.output
