"""`/models`, as a member sees it."""

from __future__ import annotations

import pytest

from tests.discord.backend import BASE, OTHER_BASE
from tests.discord.house import CHANNEL, PATIENCE_S, House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_models_are_told_to_who_asks(home: House) -> None:
    answer = await (await home.ada.slash("models", channel=CHANNEL)).response(PATIENCE_S)
    assert answer.ephemeral_to == home.ada.id
    for words in (BASE, OTHER_BASE, "taken where none is chosen", "0 adapters · 1 worker (cpu)"):
        assert words in answer.text.replace("\\", ""), answer.text
