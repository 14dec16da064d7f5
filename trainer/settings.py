"""The worker's settings: the one reader of the environment on this side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, cast

from pydantic import Field, field_validator

from common.settings import CommonSettings, OptionalPath, read_settings
from trainer.contract.names import LANES, Lane


class WorkerSettings(CommonSettings):
    """What a worker needs besides :class:`common.settings.CommonSettings`."""

    darkroom_lanes: str = "imagine,train,merge"  # a machine may draw alone, or train alone
    darkroom_pictures_at_a_time: Annotated[int, Field(ge=1, le=64)] = 4  # jobs; they take turns step by step
    darkroom_judges: OptionalPath = None  # DINOv2 and CLIP; None: only emoji-64's trainings are measured
    darkroom_captioner: OptionalPath = None  # BLIP; None: `captions: captioner` is refused

    @field_validator("darkroom_lanes")
    @classmethod
    def _check_lanes(cls, value: str) -> str:
        named = [lane.strip() for lane in value.split(",") if lane.strip()]
        if not named or not set(named) <= set(LANES):
            raise ValueError(f"takes {', '.join(LANES)} or several with commas between, got {value!r}")
        return ",".join(lane for lane in LANES if lane in named)

    @field_validator("darkroom_device")
    @classmethod
    def _check_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
            raise ValueError(f"takes auto, cpu or cuda:0 (or another GPU's number), got {value!r}")
        return value

    @property
    def capacity(self) -> dict[Lane, int]:
        """How many jobs at a time, by lane. One training, one merge: a second would only make both slower."""
        lanes = cast("list[Lane]", self.darkroom_lanes.split(","))
        return {lane: self.darkroom_pictures_at_a_time if lane == "imagine" else 1 for lane in lanes}


def load_settings(env_file: Path | None = Path(".env")) -> WorkerSettings:
    """Read the environment and ``env_file``. Raises StartupFault."""
    return read_settings(WorkerSettings, env_file)
