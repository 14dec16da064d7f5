"""The demo as a newcomer runs it: the main job from six photos to a picture, with everything real but Discord."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from trainer.models.emoji64.encoder import load_encoder
from trainer.models.emoji64.evaluate import to_tensor
from trainer.models.registry import EMBEDDED_FOLDER

ROOT = Path(__file__).parents[2]
PHOTOS = sorted((ROOT / "sandbox" / "photos").glob("*.jpg"))
LIKENESS = 0.3  # mean cosine to the photos; pictures of other subjects lie around 0, real ones of this one at 0.73


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that one headless run has filled."""
    out = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "sandbox", "demo", "--headless", "--out", str(out)]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, text=True)
    log = (out / "darkroom.log").read_text() if (out / "darkroom.log").exists() else ""
    assert ended.returncode == 0, ended.stdout + ended.stderr + log[-4000:]
    return out


def test_every_step_happened_and_discord_had_nothing_to_complain_of(played: Path) -> None:
    transcript = json.loads((played / "transcript.json").read_text())
    assert transcript["ok"] is True
    assert [step["what"] for step in transcript["steps"] if not step["ok"]] == []
    assert len(transcript["steps"]) >= 8
    assert transcript["violations"] == []
    assert "Traceback" not in (played / "darkroom.log").read_text()


def test_the_picture_shows_the_subject_in_a_suit_at_dinner(played: Path) -> None:
    """As the reporting encoder reads it, which never chose anything."""
    encoder = load_encoder(EMBEDDED_FOLDER / "encoders" / "reporter.safetensors")
    [picture] = [Image.open(path) for path in played.glob("imagine-darkroom-*.png")]
    assert picture.size == (64, 64)
    with torch.no_grad():
        [scene] = encoder.read(to_tensor([picture]))
        drawn = encoder(to_tensor([picture]))["embedding"]
        small = [Image.open(photo).resize((64, 64), Image.Resampling.LANCZOS) for photo in PHOTOS]
        likeness = float((drawn @ encoder(to_tensor(small))["embedding"].T).mean())
    assert "suit" in scene.outfit
    assert "dinner" in scene.background
    assert likeness > LIKENESS
