"""`/adapter import` by an address, as its member sees it, with a stand-in for Civitai."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from safetensors.torch import save

from bot.ui import bringing
from sandbox.members import File, Member, Message
from tests.bot.addresses.internet import (
    Internet,
    a_stand_in,
    civitai_file,
    civitai_model,
    civitai_version,
    endless,
)
from tests.bot.importing.genuine import KOHYA, true_lora
from tests.discord.backend import BASE
from tests.discord.house import CHANNEL, PATIENCE_S, House, house

pytestmark = pytest.mark.asyncio(loop_scope="module")

LORA = save(true_lora(), KOHYA)
PAGE = "https://civitai.com/models/123"
FILE = "civitai.com/api/download/models/456"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def civitai() -> AsyncIterator[tuple[Internet, str]]:
    async with a_stand_in("civitai.com") as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(
    tmp_path_factory: pytest.TempPathFactory, module_redis_url: str, civitai: tuple[Internet, str]
) -> AsyncIterator[House]:
    folder: Path = tmp_path_factory.mktemp("house")
    async with house(folder, module_redis_url, bases=(BASE,), civitai_base=civitai[1]) as opened:
        yield opened


@pytest.fixture
def site(civitai: tuple[Internet, str]) -> Internet:
    """Civitai with a LoRA of a real person."""
    file = civitai_file(sizeKB=len(LORA) / 1024, hashes={"SHA256": hashlib.sha256(LORA).hexdigest()})
    model = civitai_model(civitai_version(files=[file]), poi=True, allowCommercialUse=["None"])
    civitai[0].answer("civitai.com/api/v1/models/123", model)
    civitai[0].answer(FILE, LORA)
    return civitai[0]


async def bring(home: House, who: Member, **options: object) -> Message:
    """The end of what is told to this member alone."""
    exchange = await who.slash("adapter import", channel=CHANNEL, **{"name": "moss", "person": "none", **options})
    answer = await exchange.response(PATIENCE_S)
    said = await home.sandbox.wait_for(
        lambda message: message.id == answer.id and bool(message.text.strip()), seen_by=who, timeout_s=PATIENCE_S
    )
    assert said.ephemeral_to == who.id
    return said


async def test_its_page_tells_what_it_is(home: House, site: Internet) -> None:
    said = await bring(home, home.ada, address=PAGE)
    for words in ("moss is yours", "SDXL 1.0", "`moss monster`, `green fur`", "0.6 to 0.8, 0.7 at best", f"{PAGE}?"):
        assert words in said.text, said.text
    adapter = await home.adapter(home.ada, "moss")
    assert (adapter.likeness, adapter.commercial, adapter.origin) == ("other", False, "imported")


async def test_one_of_file_and_address_is_given(home: House, site: Internet) -> None:
    assert "one of both" in (await bring(home, home.ben)).text
    both = {"address": PAGE, "file": File("a.safetensors", LORA)}
    assert "one of both" in (await bring(home, home.ben, **both)).text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:1/models/1", "does not begin with `https://`"),
        ("https://evil.example/models/1", "neither Civitai nor Hugging Face"),
        ("https://civitai.com/models/9", "no such model on Civitai"),
    ],
)
async def test_other_addresses_are_refused_in_one_sentence(
    home: House, site: Internet, address: str, words: str
) -> None:
    assert words in (await bring(home, home.ben, address=address)).text


async def test_its_progress_is_told_and_a_button_stops_it(
    home: House, site: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "EVERY_S", 0.05)
    site.answer(FILE, endless)
    shown = await bring(home, home.ben, address=PAGE)
    assert shown.text.startswith("Fetching Moss Monster v2.0 from Civitai: ")
    (button,) = shown.buttons
    await home.ben.click(shown, button.label)
    ended = await home.sandbox.wait_for(
        lambda message: message.id == shown.id and "Stopped" in message.text, seen_by=home.ben, timeout_s=PATIENCE_S
    )
    assert ended.buttons == []
    assert list((home.settings.darkroom_data / "incoming").iterdir()) == []


async def test_a_page_that_asks_for_a_login_names_the_way_out(home: House, site: Internet) -> None:
    site.answer(FILE, web.Response(status=401))
    said = await bring(home, home.ben, address=PAGE)
    assert said.text.strip() == (
        "Civitai gives this only to who is logged in: whoever runs this bot can set CIVITAI_TOKEN; or download the file"
        " and attach it."
    )


async def test_a_bot_that_ends_tells_so(home: House, site: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringing, "EVERY_S", 0.05)
    site.answer(FILE, endless)
    shown = await bring(home, home.cleo, address=PAGE)
    await home.restart_bot()
    await home.sandbox.wait_for(
        lambda message: message.id == shown.id and "Stopped" in message.text, seen_by=home.cleo, timeout_s=PATIENCE_S
    )
