"""The settings that bot and worker share; each side has its own class on top, and no other reader of the environment.

A fault in them ends in one sentence that names the setting, never its value where that is a secret.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.errors import StartupFault

Own = TypeVar("Own", bound="CommonSettings")

SECRETS_FOLDER = Path("/run/secrets")  # where Docker puts them: a file a setting, by its name in lower case


def _none_if_empty(value: object) -> object:
    """``DISCORD_TOKEN=`` in a .env file means: not set."""
    return None if isinstance(value, str) and not value.strip() else value


OptionalText = Annotated[str | None, BeforeValidator(_none_if_empty)]
Port = Annotated[int, Field(ge=1, le=65535)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_none_if_empty)]
OptionalPath = Annotated[Path | None, BeforeValidator(_none_if_empty)]


class CommonSettings(BaseSettings):
    """Names are those of the environment, in lower case; each may also stand in ``.env``."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_file_encoding="utf-8")

    discord_token: OptionalSecret = None
    discord_api_base: str = "https://discord.com/api/v10"
    redis_url: OptionalText = None  # None: `darkroom up` starts its own
    darkroom_data: Path = Path("data")
    darkroom_blobs: OptionalText = None  # None: a folder under darkroom_data
    aws_endpoint_url: OptionalText = None  # of an s3:// blob store; None: Amazon's
    aws_access_key_id: OptionalText = None
    aws_secret_access_key: OptionalSecret = None
    darkroom_bases: OptionalPath = None  # None: the embedded emoji-64, where there are no hub bases either
    darkroom_hub_bases: str = ""  # ids of the Hugging Face hub with commas between
    darkroom_device: str = "auto"  # auto, cpu or cuda:N
    darkroom_classifier: Literal["on", "off"] = "on"  # whether photos and pictures are looked at
    darkroom_explicit_from: Annotated[float, Field(gt=0, le=1)] = 0.8  # above it Yahoo calls pictures explicit
    darkroom_log: Literal["debug", "info", "warning", "error"] = "info"
    darkroom_log_format: Literal["auto", "console", "json"] = "auto"  # auto: console on a terminal
    darkroom_metrics_port: Annotated[Port | None, BeforeValidator(_none_if_empty)] = None  # None: none are served
    darkroom_metrics_host: str = "127.0.0.1"  # whoever reads them sees how busy the house is, and no names

    @field_validator("discord_api_base", "discord_cdn_base", "discord_gateway_url", check_fields=False)
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"http", "https", "ws", "wss"}:
            raise ValueError(f"must be a web address, got {value!r}")
        return value.rstrip("/") if value else value

    @field_validator("darkroom_hub_bases")
    @classmethod
    def _check_hub_ids(cls, value: str) -> str:
        ids = [hub_id.strip() for hub_id in value.split(",") if hub_id.strip()]
        for hub_id in ids:
            if not re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", hub_id, re.ASCII):
                raise ValueError(f"takes ids such as stabilityai/stable-diffusion-xl-base-1.0, got {hub_id!r}")
        return ",".join(ids)

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return value

    @property
    def hub_ids(self) -> tuple[str, ...]:
        """The ids in ``darkroom_hub_bases``."""
        return tuple(filter(None, self.darkroom_hub_bases.split(",")))

    @property
    def blobs_location(self) -> str:
        """What ``open_blobs`` opens."""
        return self.darkroom_blobs or str(self.darkroom_data / "blobs")

    @property
    def s3_access(self) -> dict[str, str | None]:
        """What ``open_blobs`` needs besides, for an s3:// location."""
        key = self.aws_secret_access_key
        return {
            "endpoint": self.aws_endpoint_url,
            "access_key_id": self.aws_access_key_id,
            "secret_access_key": None if key is None else key.get_secret_value(),
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be logged."""
        hidden = (self.discord_token, self.aws_secret_access_key)
        return tuple(secret.get_secret_value() for secret in hidden if secret is not None)

    def require_token(self) -> str:
        """The token. Raises StartupFault."""
        if self.discord_token is None:
            raise StartupFault(
                "DISCORD_TOKEN is not set: put the token of your Discord application's bot into the environment or .env"
                " (or run `darkroom demo`, which needs none).",
                exit_code=2,
            )
        return self.discord_token.get_secret_value()

    def require_redis_url(self) -> str:
        """Where Redis is. Raises StartupFault."""
        if self.redis_url is None:
            raise StartupFault(
                "REDIS_URL is not set: name your Redis (redis://host:6379/0), or start everything with `darkroom up`,"
                " which brings its own.",
                exit_code=2,
            )
        return self.redis_url


def read_settings(kind: type[Own], env_file: Path | None = Path(".env")) -> Own:
    """Read the environment, ``env_file`` and the files in ``SECRETS_FOLDER``, the first that has a setting.

    Raises StartupFault naming the first wrong setting, never a secret.
    """
    secrets = SECRETS_FOLDER if SECRETS_FOLDER.is_dir() else None
    try:
        return kind(_env_file=env_file, _secrets_dir=secrets)  # type: ignore[call-arg]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "the environment"
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise StartupFault(f"{name} can't be used: {reason}.", exit_code=2) from error
