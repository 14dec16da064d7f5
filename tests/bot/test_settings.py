"""Settings: each fault is one sentence that names the setting and the way out, and no secret shows anywhere."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import structlog

from bot.errors import StartupFault
from bot.settings import Settings, load_settings, prepare_data_folder
from common.log import configure_logging

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GhijkL.abcdefghijklmnopqrstuvwxyz0123456789"


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings(env_file=None)


def test_defaults_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, DISCORD_TOKEN="", REDIS_URL=" ")
    assert settings.discord_token is None
    assert settings.redis_url is None
    assert settings.discord_api_base == "https://discord.com/api/v10"
    assert settings.blobs_location == "data/blobs"


def test_a_dotenv_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DISCORD_TOKEN=from-file\nDARKROOM_DATA=/from/file\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("DARKROOM_DATA", "/from/environment")
    settings = load_settings(file)
    assert settings.require_token() == "from-file"
    assert settings.darkroom_data == Path("/from/environment")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("REDIS_URL", "http://secret@host", "must begin with redis://, rediss:// or unix://"),
        ("DISCORD_API_BASE", "discord.com", "must be a web address"),
        ("DARKROOM_LOG", "loud", "Input should be 'debug', 'info', 'warning' or 'error'"),
        ("DARKROOM_MAX_WAITING_TRAIN", "0", "greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    with pytest.raises(StartupFault) as error:
        load(monkeypatch, **{name: value})
    assert error.value.message.startswith(f"{name} can't be used: ")
    assert words in error.value.message
    assert "secret" not in error.value.message
    assert error.value.exit_code == 2


def test_what_is_missing_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)
    with pytest.raises(StartupFault, match="DISCORD_TOKEN is not set: put the token"):
        settings.require_token()
    with pytest.raises(StartupFault, match="REDIS_URL is not set: name your Redis"):
        settings.require_redis_url()


def test_a_data_folder_that_cant_be_written_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(StartupFault, match="can't be written"):
        prepare_data_folder(in_the_way / "data")


def test_the_token_shows_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, DISCORD_TOKEN=TOKEN)
    assert TOKEN not in f"{settings} {settings!r} {settings.model_dump_json()}"
    assert settings.require_token() == TOKEN


def test_no_secret_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure_logging("info", "json", ("a-secret-of-an-odd-form",))
        log = structlog.get_logger("test")
        webhook = "https://discord.com/api/v10/webhooks/123/aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OTA"
        try:
            raise ValueError(f"PATCH {webhook}/messages/@original failed")
        except ValueError:
            log.exception("failed", token="aW50ZXJhY3Rpb24", url="redis://user:hunter2@host/0", count=3)
        logging.getLogger("library").warning("says %s and %s", TOKEN, "a-secret-of-an-odd-form")
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()
    written = capsys.readouterr().err
    for secret in (TOKEN, "aW50ZXJhY3Rpb24", "hunter2", "a-secret-of-an-odd-form"):
        assert secret not in written
    first, second = (json.loads(line) for line in written.splitlines())
    assert (first["event"], first["level"], first["count"]) == ("failed", "error", 3)
    assert "messages/@original failed" in first["exception"]
    assert second["event"] == "says … and …"
