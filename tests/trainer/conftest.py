"""The embedded base, loaded once, and photos to teach it with."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.trainer.bases import FAMILIES, make_base, make_single_file
from trainer.models.loading import Base, load_base
from trainer.models.registry import EMBEDDED_FOLDER, read_base


@pytest.fixture
def base() -> Base:
    """A fresh copy of emoji-64: adapters that one test adds are not there in the next."""
    return load_base(read_base(EMBEDDED_FOLDER, embedded=True))


@pytest.fixture(scope="session")
def tiny_bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bases as an operator's: of each family a folder, such as ``sd1``, and a file, ``sd1-file``."""
    folder = tmp_path_factory.mktemp("bases")
    for family in FAMILIES:
        make_base(folder / family, family)
        make_single_file(folder / family, folder / f"{family}-file.safetensors", family)
    return folder


@pytest.fixture(scope="session")
def photos() -> list[Image.Image]:
    """The photos of the demo."""
    folder = Path(__file__).parents[2] / "sandbox" / "photos"
    return [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.jpg"))]
