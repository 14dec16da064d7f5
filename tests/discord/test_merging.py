"""`/merge`, `/checkpoint` and `/adapter export`, from the command to the buttons, with the real worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from bot.orders import Origin
from bot.ui.answers import origin_of
from sandbox.members import Exchange, Member, Message
from tests.discord.backend import BASE, ENDLESS, MISFIT, OTHER_BASE, SketchBackend
from tests.discord.house import CHANNEL, PATIENCE_S, House, house, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")
PORT = 18_711


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_house(tmp_path_factory: pytest.TempPathFactory, module_redis_url: str) -> AsyncIterator[House]:
    """One that gives files away by links, too."""
    folder = tmp_path_factory.mktemp("house")
    settings: dict[str, Any] = {
        "darkroom_max_waiting_train": 20, "darkroom_downloads_url": f"http://127.0.0.1:{PORT}",
        "darkroom_downloads_port": PORT,
    }  # fmt: skip
    async with house(folder, module_redis_url, bases=(BASE, OTHER_BASE), **settings) as home:
        for name in ("a", "b"):
            await home.trained(home.ada, name, class_word="dog")
        yield home


async def merge(
    home: House, who: Member, name: str, prompt: str = "<lora:a:0.6><lora:b:0.4>", **options: Any
) -> Exchange:
    return await who.slash("merge", channel=CHANNEL, prompt=prompt, name=name, **options)


async def test_a_merge_is_made_and_draws(home: House) -> None:
    card = await home.result(await merge(home, home.ada, "ab"))
    for words in ("ab is ready", "a at 0.6 and b at 0.4, exactly", "It keeps 90 % of them.", "rank 8", "<lora:ab:1>"):
        assert words in card.text
    assert labels(card)[-3:] == ["Use it", "Share", "Settings"]
    assert len(labels(card)) == 6  # and three prompts to try
    settings = await home.settings_of(home.ada, card)
    assert "Parents: ada/a@1, ada/b@1" in settings
    assert (await home.ada.click(card, "Use it")).modal is not None
    page = await (await home.ada.slash("adapter show", channel=CHANNEL, name="ab")).response(PATIENCE_S)
    assert "ada/a@1 × 0.6, ada/b@1 × 0.4" in page.text
    assert await home.settings_of(home.ada, page) == settings
    asked = await (await home.ada.slash("adapter delete", channel=CHANNEL, name="ab")).response(PATIENCE_S)
    assert "`ab` was made of others: once deleted, it has to be merged again" in asked.text
    drawn = await home.result(await home.ada.click(card, labels(card)[0]))
    assert "ab at 1" in drawn.text
    assert "ab at 0.5" in (await home.drawn(home.ada, "<lora:ab:0.5> at the beach")).text
    refused = await home.refusal(await home.imagine(home.ben, "<lora:ada/ab> at the beach"))
    assert "There is no adapter `ada/ab` that you can use" in refused


async def test_whole_models_are_merged_baked_and_taken_apart(home: House) -> None:
    baked = await home.result(await merge(home, home.ada, "baked", "<lora:a:0.8>", into=BASE))
    assert "a at 0.8 put into" in baked.text
    merged = await home.result(
        await home.ada.slash("checkpoint merge", channel=CHANNEL, a=BASE, b="baked", name="mixed", blocks="grad_v")
    )
    assert "block by block" in merged.text
    taken = await home.result(
        await home.ada.slash("checkpoint extract", channel=CHANNEL, tuned="mixed", name="taken", rank=4)
    )
    assert "as a LoRA of rank 4" in taken.text
    choices = await home.ada.autocomplete("checkpoint merge", focused="b", value="", channel=CHANNEL)
    assert {"baked", "mixed", BASE, OTHER_BASE} <= {choice["value"] for choice in choices}
    choices = await home.ben.autocomplete("checkpoint merge", focused="b", value="", channel=CHANNEL)
    assert {choice["value"] for choice in choices} == {BASE, OTHER_BASE}


async def test_what_is_refused_is_told_to_its_member_alone(home: House) -> None:
    refused = await home.refusal(await merge(home, home.ben, "mine", "<lora:ada/a><lora:ada/b>"))
    assert "There is no adapter `ada/a` that you can use" in refused
    await home.trained(home.ada, "stranger", base=OTHER_BASE)
    refused = await home.refusal(await merge(home, home.ada, "odd", "<lora:a><lora:stranger>"))
    assert "they can't be put together" in refused


async def test_a_merge_that_the_worker_refuses_says_why(home: House) -> None:
    exchange = await merge(home, home.ada, MISFIT)
    card = await exchange.response(PATIENCE_S)
    failed = await home.sandbox.wait_for(
        lambda message: message.id == card.id and "did not work" in message.text, timeout_s=PATIENCE_S
    )
    assert "A and b differ in the shape of their layers" in failed.text


async def test_a_merge_is_cancelled(home: House) -> None:
    exchange = await merge(home, home.ada, ENDLESS)
    card = await exchange.response(PATIENCE_S)
    running = await home.sandbox.wait_for(
        lambda message: message.id == card.id and "is being made" in message.text, timeout_s=PATIENCE_S
    )
    listed = await (await home.ada.slash("jobs", channel=CHANNEL)).response(PATIENCE_S)
    assert f"making {ENDLESS}" in listed.text
    await home.ada.click(running, "Cancel")
    await home.sandbox.wait_for(
        lambda message: message.id == card.id and "Cancelled" in message.text, timeout_s=PATIENCE_S
    )


# -- exports ----------------------------------------------------------------------------------------------------------


async def exported(home: House, who: Member, name: str, **options: Any) -> Message:
    """What its owner alone sees, once the file is there."""
    exchange = await who.slash("adapter export", channel=CHANNEL, name=name, **options)
    first = await exchange.response(PATIENCE_S)
    return await home.sandbox.wait_for(
        lambda message: message.id == first.id and "90 %" in message.content, seen_by=who, timeout_s=PATIENCE_S
    )


async def test_an_owner_gets_the_file_and_nobody_else_sees_it(home: House) -> None:
    shown = len(home.shown())
    answer = await exported(home, home.ada, "a", rank=4)
    assert answer.ephemeral_to == home.ada.id
    assert [file.filename for file in answer.files] == ["a.safetensors"]
    assert answer.files[0].data.startswith(b"a learned from 3 photos")
    assert "`a` of rank 4 for A1111, Forge and ComfyUI, float16" in answer.content
    assert len(home.shown()) == shown
    again = await exported(home, home.ada, "a", rank=4)  # it is kept for a day
    assert again.files[0].data == answer.files[0].data
    assert await home.services.jobs.of_member(home.ada.id) == []


async def test_others_can_not_take_it_away_not_even_in_a_merge(home: House) -> None:
    await home.ada.slash("adapter share", channel=CHANNEL, name="b")
    await home.drawn(home.ben, "<lora:ada/b> at the beach")
    refused = await home.refusal(await home.ben.slash("adapter export", channel=CHANNEL, name="ada/b"))
    assert refused == "`b` belongs to ada: only they can take its file away."
    await home.trained(home.ben, "own", class_word="cat")
    await home.result(await merge(home, home.ben, "mixture", "<lora:own:0.01><lora:ada/b>"))
    refused = await home.refusal(await home.ben.slash("adapter export", channel=CHANNEL, name="mixture"))
    assert "`mixture` is made of ada/b@1, which is not yours to take away" in refused


async def test_an_export_outlives_the_bot_that_accepted_it(home: House) -> None:
    await home.stop_worker()
    exchange = await home.ada.slash("adapter export", channel=CHANNEL, name="b", rank=2)
    first = await home.sandbox.wait_for(
        lambda message: message.ephemeral_to == home.ada.id and "b is being exported" in message.text,
        seen_by=home.ada, timeout_s=PATIENCE_S,
    )  # fmt: skip
    await home.until(lambda: _has_card(home, exchange.id))
    await home.restart_bot()
    await home.start_worker(SketchBackend((BASE, OTHER_BASE)))
    answer = await home.sandbox.wait_for(
        lambda message: message.id == first.id and bool(message.files), seen_by=home.ada, timeout_s=PATIENCE_S
    )
    assert answer.embeds == []
    assert answer.files[0].data.startswith(b"b learned")


async def _has_card(home: House, job_id: int) -> bool:
    job = await home.job(job_id)
    return job is not None and job.card == "private"


async def linked(home: House, monkeypatch: pytest.MonkeyPatch) -> str:
    """A link to a file that is too large for the server."""
    monkeypatch.setattr("bot.cogs.exporting.origin_of", _in_a_small_server)
    answer = await exported(home, home.ada, "a", dtype="float32")
    assert answer.files == []
    (link,) = [word for word in answer.content.split() if word.startswith("http")]
    return link


def _in_a_small_server(interaction: Any) -> Origin:
    return msgspec.structs.replace(origin_of(interaction), upload_limit_bytes=2**20)


async def test_what_is_too_large_comes_by_a_link(home: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    link = await linked(home, monkeypatch)
    async with aiohttp.ClientSession() as session:
        async with session.get(link) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Disposition"] == 'attachment; filename="a.safetensors"'
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            data = await answer.read()
        assert data.startswith(b"a learned from 3 photos")
        assert len(data) > 2**20
        async with session.get(link, headers={"Range": "bytes=2-8"}) as answer:
            assert (answer.status, await answer.read()) == (206, data[2:9])


async def test_links_that_are_none(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    link = await linked(home, monkeypatch)
    job, member, expires, nonce, signature = link.rpartition("/")[2].split(".")
    place = link.rpartition("/")[0]
    forged = [
        f"{job}.{member}.{int(expires) + 1}.{nonce}.{signature}",
        f"{int(job) - 1}.{member}.{expires}.{nonce}.{signature}",
        f"{job}.{home.ben.id}.{expires}.{nonce}.{signature}",
        f"{job}.{member}.{expires}.{nonce}.{'0' * 64}",
        f"{job}.{member}.{expires}.{nonce}",
        "..%2f..%2fetc%2fpasswd",
        "",
    ]
    async with aiohttp.ClientSession() as session:
        for token in forged:
            async with session.get(f"{place}/{token}") as answer:
                assert answer.status == 404, token
        async with session.get(place.rpartition("/")[0]) as answer:
            assert answer.status == 404  # nothing is listed


async def test_a_link_is_good_for_a_few_downloads_and_not_once_the_adapter_is_gone(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await linked(home, monkeypatch)
    async with aiohttp.ClientSession() as session:
        statuses = []
        for _ in range(4):
            async with session.get(link) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 200, 200, 410]
        fresh = await linked(home, monkeypatch)
        await home.services.adapters.delete("a", owner_id=home.ada.id)
        async with session.get(fresh) as answer:
            assert answer.status == 410
            assert await answer.text() == "This link is not good any more: use /adapter export again."
