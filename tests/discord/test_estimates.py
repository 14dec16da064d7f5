"""What a training will take stands on its card while it waits; the pace that was measured outlives the worker."""

from __future__ import annotations

import re
from pathlib import Path

from tests.discord.backend import ENDLESS
from tests.discord.house import PATIENCE_S, House, house, six_photos
from tests.discord.test_photo_check import mixed

UNKNOWN = (
    r"Up to 6 steps and about 0\.9 GB of the processor's memory; how long they take is known after the first training"
    r" of the kind\."
)
KNOWN = r"Up to 6 steps, about [\w ]+ on this processor, and about 0\.9 GB of its memory\."


async def waits(home: House, name: str, words: str) -> None:
    """Ben's training waits behind one of Ada's, and says so; then it is learned."""
    before = await home.train(home.ada, f"before-{name}", class_word=ENDLESS)
    busy = await home.running(before)
    card = await (await home.train(home.ben, name, files=six_photos())).response(PATIENCE_S)
    assert re.search(words, card.text), card.text
    await home.ada.click(busy, "Cancel")
    await home.sandbox.wait_for(
        lambda message: message.id == card.id and f"{name} is ready" in message.text, timeout_s=PATIENCE_S
    )


async def test_whoever_waits_sees_what_it_will_take(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url) as home:
        await waits(home, "first", UNKNOWN)
        await waits(home, "second", KNOWN)
        await home.stop_worker()
        await home.start_worker()
        exchange = await home.train(home.ben, "asked", files=mixed())
        card = await exchange.response(PATIENCE_S)
        assert re.search(f"With all of them: {KNOWN}", card.text), card.text
        await home.services.jobs.cancel(str(exchange.id), home.ben.id)
