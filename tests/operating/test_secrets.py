"""Secrets may stand in files, as Docker hands them over, and never reach the log."""

from __future__ import annotations

from pathlib import Path

import pytest

import common.settings
from bot.settings import load_settings


def test_a_file_of_a_settings_name_is_that_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common.settings, "SECRETS_FOLDER", tmp_path)
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    (tmp_path / "discord_token").write_text("a.token.of-docker\n")
    (tmp_path / "aws_secret_access_key").write_text("a key")
    settings = load_settings(env_file=None)
    assert settings.require_token() == "a.token.of-docker"
    assert settings.s3_access["secret_access_key"] == "a key"
    assert set(settings.secrets) == {"a.token.of-docker", "a key"}
    assert "a key" not in repr(settings)


def test_the_environment_comes_before_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common.settings, "SECRETS_FOLDER", tmp_path)
    (tmp_path / "discord_token").write_text("of.the.file")
    monkeypatch.setenv("DISCORD_TOKEN", "of.the.environment")
    assert load_settings(env_file=None).require_token() == "of.the.environment"
