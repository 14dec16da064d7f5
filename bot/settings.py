"""The bot's settings: the one reader of the environment on this side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from common.errors import StartupFault
from common.settings import CommonSettings, OptionalSecret, OptionalText, read_settings


class Settings(CommonSettings):
    """What the bot needs besides :class:`CommonSettings`."""

    discord_gateway_url: OptionalText = None  # None: Discord says where
    discord_cdn_base: OptionalText = None  # None: Discord's own CDN hosts
    darkroom_max_waiting_train: Annotated[int, Field(ge=1)] = 3  # a member's trainings at a time: each takes minutes
    darkroom_max_waiting_imagine: Annotated[int, Field(ge=1)] = 10
    darkroom_keep_pictures_days: Annotated[int, Field(ge=0)] = 0  # 0: until their member deletes them
    darkroom_keep_photos_days: Annotated[int, Field(ge=0, le=365)] = 30  # of trainings whose member asks for it
    darkroom_keep_versions: Annotated[int, Field(ge=0, le=100)] = 5  # of an adapter, besides the one in use
    darkroom_max_import_bytes: Annotated[int, Field(ge=1024)] = 1024**3  # the largest LyCORIS of SDXL are as large
    darkroom_max_checkpoints: Annotated[int, Field(ge=0)] = 3  # whole models of a member: each is gigabytes
    civitai_token: OptionalSecret = None
    hf_token: OptionalSecret = None
    civitai_base: OptionalText = None  # in tests: a stand-in's address, http://127.0.0.1:8080
    hf_base: OptionalText = None

    @field_validator("civitai_base", "hf_base")
    @classmethod
    def _check_base(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"http://127\.0\.0\.1:\d{1,5}", value):
            raise ValueError(f"is for tests alone and takes an address such as http://127.0.0.1:8080, got {value!r}")
        return value

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be logged."""
        hidden = (self.civitai_token, self.hf_token)
        return (*super().secrets, *(secret.get_secret_value() for secret in hidden if secret is not None))

    darkroom_downloads_url: OptionalText = None  # where members' browsers find the next; None: no downloads
    darkroom_downloads_host: str = "127.0.0.1"
    darkroom_downloads_port: Annotated[int, Field(ge=1, le=65535)] = 8711

    @field_validator("darkroom_downloads_url")
    @classmethod
    def _check_downloads_url(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"http", "https"}:
            raise ValueError(f"must be a web address such as https://darkroom.example, got {value!r}")
        return value

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return self.darkroom_data / "darkroom.sqlite3"


def load_settings(env_file: Path | None = Path(".env")) -> Settings:
    """Read the environment and ``env_file``. Raises StartupFault naming the first wrong setting, never a secret."""
    return read_settings(Settings, env_file)


def prepare_data_folder(folder: Path) -> None:
    """Make the data folder and try to write into it. Raises StartupFault."""
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StartupFault(
            f"DARKROOM_DATA {str(folder.absolute())!r} can't be written ({error.strerror}):"
            " give this user the right to, or name another folder.",
            exit_code=2,
        ) from error
