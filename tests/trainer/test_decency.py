"""Pictures are looked at before anybody sees them."""

from __future__ import annotations

import io
import math
from pathlib import Path

import msgspec
import pytest
import structlog.testing
from PIL import Image

from common.explicit import Classifier
from tests.trainer.worker.light_backend import png
from trainer import messages
from trainer.contract.requests import Card
from trainer.decency import WITHOUT_EXAMPLES, Gate, Unseen

PHOTOS = Path(__file__).parents[2] / "sandbox" / "photos"
CARD = Card(channel_id=1, message_id=2, posted_at=0.0, requester_id=3)
AGE_RESTRICTED = msgspec.structs.replace(CARD, explicit_allowed=True)
NUDE, PLAIN = png(1), png(2)


def score(picture: bytes) -> float:
    return 0.9 if picture == NUDE else 0.1


def _fail(picture: bytes) -> float:
    raise OSError("no weights")


GATE, BROKEN = Gate(score), Gate(_fail)


def _drawn(*pngs: bytes) -> messages.Drawn:
    pictures = tuple(messages.PictureFile(png=each, width=64, height=64, seed=1, parameters="") for each in pngs)
    return messages.Drawn("7", pictures, {}, 1.0)


def _trained(*pngs: bytes, grid: bytes | None = None) -> messages.Trained:
    file = messages.Spooled("/nowhere", 1)
    return messages.Trained("8", file, {}, 16, 4, 0.1, 1.0, _drawn(*pngs).pictures, grid=grid, report="It does well.")


def test_the_real_classifier_takes_harmless_pictures_for_harmless() -> None:
    """What it makes of explicit ones can't be kept in a repository; docs/decency.md says who measured that."""
    classifier = Classifier()
    for path in sorted(PHOTOS.glob("*.jpg")):
        with Image.open(path) as photo:
            assert classifier.score(photo) < 0.2
    clear = io.BytesIO()
    Image.new("RGBA", (64, 64), (200, 30, 30, 0)).save(clear, "PNG")
    assert 0 <= classifier.score(clear.getvalue()) < 0.8


async def test_what_is_not_explicit_passes_everywhere() -> None:
    assert await GATE.sift_drawn(_drawn(PLAIN, PLAIN), CARD) == _drawn(PLAIN, PLAIN)
    assert await GATE.may_show(PLAIN, CARD)


async def test_one_explicit_picture_holds_all_back_but_in_age_restricted_channels() -> None:
    assert await GATE.sift_drawn(_drawn(PLAIN, NUDE), CARD) is None
    shown = await GATE.sift_drawn(_drawn(PLAIN, NUDE), AGE_RESTRICTED)
    assert shown is not None
    assert [picture.explicit for picture in shown.pictures] == [False, True]


async def test_a_training_keeps_what_it_learned_and_shows_no_explicit_examples() -> None:
    for trained in (_trained(PLAIN, NUDE, grid=PLAIN), _trained(PLAIN, grid=NUDE)):
        sifted = await GATE.sift_trained(trained, CARD)
        assert (sifted.examples, sifted.grid) == ((), None)
        assert sifted.report == f"It does well. {WITHOUT_EXAMPLES}"
        assert sifted.file == trained.file
        assert await GATE.sift_trained(trained, AGE_RESTRICTED) == trained
    assert await GATE.sift_trained(_trained(PLAIN, grid=PLAIN), CARD) == _trained(PLAIN, grid=PLAIN)


async def test_what_could_not_be_looked_at_is_not_shown() -> None:
    with structlog.testing.capture_logs() as logged:
        with pytest.raises(Unseen) as unseen:
            await BROKEN.sift_drawn(_drawn(PLAIN), AGE_RESTRICTED)
        assert not await BROKEN.may_show(PLAIN, CARD)
        sifted = await BROKEN.sift_trained(_trained(PLAIN), CARD)
    assert unseen.value.reference in unseen.value.message
    assert unseen.value.reference in {entry.get("reference") for entry in logged}
    assert sifted.examples == ()
    assert "could not be looked at" in sifted.report


async def test_a_score_that_is_no_number_counts_as_explicit() -> None:
    assert await Gate(lambda picture: math.nan).sift_drawn(_drawn(PLAIN), CARD) is None


async def test_a_gate_that_is_off_lets_everything_pass() -> None:
    assert await Gate().sift_drawn(_drawn(NUDE), CARD) == _drawn(NUDE)
