"""From an address to an adapter: all of the road, with the two sites on loopback and the real check of the file."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import torch

from bot.addresses import bringing
from bot.addresses.bringing import Bringer
from bot.addresses.door import Addresses
from bot.errors import UserError
from bot.fetching import Fetcher
from bot.importing.entry import Wanted
from bot.importing.found import Licence
from bot.importing.importer import Importer
from bot.orders import Origin
from bot.store import guilds
from bot.store.database import Database
from bot.store.records import BlockedWord
from tests.bot.addresses.internet import Internet, civitai_file, civitai_model, civitai_version, endless
from tests.bot.worlds import GUILD, MEMBERS
from trainer.adapters.files import write_kohya_lora
from trainer.contract.blobs import Blobs

MODULE = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
LORA = write_kohya_lora(
    {f"{MODULE}.lora_A.weight": torch.ones(4, 768), f"{MODULE}.lora_B.weight": torch.ones(1280, 4)}, {}, sdxl=False
)
SHA256 = hashlib.sha256(LORA).hexdigest()
PAGE = "https://civitai.com/models/123"
ORIGIN = Origin(interaction_id=7, token="t", member_id=MEMBERS["ada"], member_name="ada", guild_id=GUILD, channel_id=1)


def publish(internet: Internet, body: bytes = LORA, **changes: Any) -> None:
    """A model on Civitai whose file is ``body``."""
    file = civitai_file(sizeKB=len(LORA) / 1024, hashes={"SHA256": SHA256.upper()})
    internet.answer("civitai.com/api/v1/models/123", civitai_model(civitai_version(files=[file]), **changes))
    internet.answer("civitai.com/api/download/models/456", body)


@pytest.fixture
async def bringer(database: Database, blobs: Blobs, addresses: Addresses, tmp_path: Path) -> Bringer:
    incoming = tmp_path / "incoming"
    async with aiohttp.ClientSession() as session:
        importer = Importer(database, blobs, Fetcher(session), incoming, most_bytes=10_000_000)
    return Bringer(addresses, importer, incoming, most_bytes=10_000_000)


async def test_the_page_tells_what_the_adapter_is(internet: Internet, bringer: Bringer, tmp_path: Path) -> None:
    publish(internet, nsfw=True)
    adapter = (await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss"))).adapter
    assert (adapter.name, adapter.kind, adapter.origin) == ("moss", "lora", "imported")
    assert adapter.source == f"{PAGE}?modelVersionId=456"
    assert adapter.trigger_words == ("moss monster", "green fur")
    assert (adapter.weight_low, adapter.weight_best, adapter.weight_high) == (0.6, 0.7, 0.8)
    assert (adapter.credit, adapter.commercial, adapter.derivatives, adapter.age_restricted) == (
        False,
        True,
        True,
        True,
    )
    assert adapter.likeness == "none"
    assert list((tmp_path / "incoming").iterdir()) == []


async def test_whoever_is_marked_as_real_is_a_likeness(internet: Internet, bringer: Bringer) -> None:
    publish(internet, poi=True)
    assert (await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss"))).adapter.likeness == "other"


async def test_a_file_that_is_none_leaves_nothing(internet: Internet, bringer: Bringer, tmp_path: Path) -> None:
    publish(internet, LORA[:-1] + b"x")
    with pytest.raises(UserError, match="SHA-256"):
        await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss"))
    assert list((tmp_path / "incoming").iterdir()) == []


async def test_what_the_member_says_makes_a_licence_narrower_and_never_wider(
    internet: Internet, bringer: Bringer
) -> None:
    publish(internet, allowCommercialUse=["None"])
    said = Licence(credit=True, commercial=True, derivatives=False)
    adapter = (await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss", licence=said))).adapter
    assert (adapter.credit, adapter.commercial, adapter.derivatives) == (True, False, False)


async def test_its_member_can_stop_it_and_has_one_at_a_time(
    internet: Internet, bringer: Bringer, tmp_path: Path
) -> None:
    publish(internet)
    internet.answer("civitai.com/api/download/models/456", endless)
    begun = asyncio.Event()
    work = asyncio.create_task(
        bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss"), on_progress=lambda *_: begun.set())
    )
    await begun.wait()
    with pytest.raises(UserError, match="already"):
        await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="other"))
    for import_id, member_id in (("8", MEMBERS["ada"]), ("7", MEMBERS["ben"])):
        with pytest.raises(UserError, match="nothing to stop"):
            bringer.stop(import_id, member_id)
    bringer.stop("7", MEMBERS["ada"])
    with pytest.raises(UserError, match="Stopped"):
        await work
    assert list((tmp_path / "incoming").iterdir()) == []
    publish(internet)
    await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss"))


async def test_a_bot_that_ends_leaves_nothing(internet: Internet, bringer: Bringer, tmp_path: Path) -> None:
    publish(internet)
    internet.answer("civitai.com/api/download/models/456", endless)
    begun = asyncio.Event()
    work = asyncio.create_task(
        bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss"), on_progress=lambda *_: begun.set())
    )
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert list((tmp_path / "incoming").iterdir()) == []


async def test_a_site_that_is_too_slow_is_told(
    internet: Internet, bringer: Bringer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "MOST_S", 0.0)
    publish(internet)
    with pytest.raises(UserError, match="too slow for a file as large"):
        await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss"))


async def test_what_is_refused_always_is_refused_before_it_is_fetched(internet: Internet, bringer: Bringer) -> None:
    publish(internet, name="nude little girl")
    with pytest.raises(UserError):
        await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss"))
    assert [request.path for request in internet.asked] == ["/api/v1/models/123"]


async def test_words_that_a_server_has_blocked_are_no_trigger_words(
    internet: Internet, bringer: Bringer, database: Database
) -> None:
    publish(internet)
    word = BlockedWord(id=0, guild_id=GUILD, pattern="green fur", is_regex=False, added_by=1, added_at=0.0)
    await database.write(lambda tx: guilds.add_word(tx, word))
    with pytest.raises(UserError, match="not to be said here"):
        await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss"))


async def test_a_disk_that_is_full_is_told_before(
    internet: Internet, bringer: Bringer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "SPARE_BYTES", 2**62)
    publish(internet)
    with pytest.raises(UserError, match="no room"):
        await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="moss"))
    assert [request.path for request in internet.asked] == ["/api/v1/models/123"]


async def test_a_bad_name_is_told_before_anybody_is_asked(internet: Internet, bringer: Bringer) -> None:
    with pytest.raises(UserError):
        await bringer.bring(PAGE, origin=ORIGIN, wanted=Wanted(name="../etc"))
    assert internet.asked == []
