"""Merges from the request to the delivery, each in a real child of its own, beside the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.trainer.worker.light_backend import BASE, MISFIT
from tests.trainer.worker.test_attempts import Studio, logged, open_studio, studio
from trainer.contract.drawings import AdapterUse
from trainer.contract.events import Cancelled, Delivered, Failed, HandedBack, Produced, Started
from trainer.contract.merges import ExportFile, MergeAdapters
from trainer.contract.requests import MergeRequest

__all__ = ["logged", "studio"]  # fixtures


async def merge(studio: Studio, name: str = "ab", *, adapter_id: str = "m1", **card: Any) -> MergeRequest:
    """A merge of two adapters whose files are there."""
    blobs = [await studio.blobs.put(data, ".safetensors") for data in (b"a", b"b")]
    uses = tuple(AdapterUse(name=n, blob=blob, weight=w) for n, blob, w in zip("ab", blobs, (0.6, 0.4), strict=True))
    work = MergeAdapters(uses) if adapter_id else ExportFile(uses[0])
    return MergeRequest(
        job_id="9", attempt=1, base=BASE, work=work, card=await studio.card(**card), name=name, adapter_id=adapter_id,
        trigger="a", class_word="dog",
    )  # fmt: skip


async def test_a_merge_commits_its_adapter_and_says_what_it_is_worth(studio: Studio) -> None:
    request = await merge(studio)
    await studio.carry_out(request)
    assert await studio.story() == [Started, Produced, Delivered]
    adapter = (await studio.outcome("9")).adapter
    assert adapter is not None
    assert (adapter.adapter_id, adapter.kind, adapter.rank, adapter.fidelity) == ("m1", "lora", 8, 0.9)
    assert (adapter.trigger, adapter.class_word, adapter.base) == ("a", "dog", BASE)
    assert await studio.blobs.read(adapter.file.blob) == b"a and b"
    card = studio.message(request)
    for words in ("ab is ready", "a at 0.6 and b at 0.4", "exactly", "It keeps 90 % of both.", "rank 8", "<lora:ab:"):
        assert words in card.text
    assert card.files == []


async def test_an_export_is_left_to_the_bot(studio: Studio) -> None:
    request = await merge(studio, adapter_id="", private=True)
    shown = len(studio.sandbox.messages("darkroom"))
    await studio.carry_out(request)
    assert await studio.story() == [Started, Produced, Delivered]
    outcome = await studio.outcome("9")
    assert outcome.adapter is None
    assert outcome.export is not None
    assert await studio.blobs.read(outcome.export.blob) == b"a"
    assert len(studio.sandbox.messages("darkroom")) == shown
    assert "queued" in studio.message(request).text


async def test_an_export_that_fails_says_nothing_in_the_channel(studio: Studio) -> None:
    request = await merge(studio, "refuse", adapter_id="", private=True)
    shown = len(studio.sandbox.messages("darkroom"))
    await studio.carry_out(request)
    *_, failed = await studio.events()
    assert isinstance(failed, Failed)
    assert (failed.message, failed.card_written) == (MISFIT[0].upper() + MISFIT[1:] + ".", False)
    assert len(studio.sandbox.messages("darkroom")) == shown


@pytest.mark.parametrize(("name", "words"), [("refuse", MISFIT[1:]), ("greedy", "takes more memory")])
async def test_what_can_not_be_merged_is_told(studio: Studio, name: str, words: str) -> None:
    request = await merge(studio, name)
    await studio.carry_out(request)
    assert await studio.story() == [Started, Failed]
    assert words in studio.message(request).text


async def test_a_fault_of_ours_is_logged_under_its_reference(studio: Studio, logged: list[Any]) -> None:
    request = await merge(studio, "break")
    await studio.carry_out(request)
    assert await studio.story() == [Started, Failed]
    (entry,) = [entry for entry in logged if entry["event"] == "engine.failed"]
    assert entry["reference"] in studio.message(request).text
    assert "a fault of ours" not in studio.message(request).text


async def test_a_child_that_dies_is_blamed_and_the_engine_goes_on(studio: Studio, logged: list[Any]) -> None:
    await studio.carry_out(await merge(studio, "die"))
    *_, back = await studio.events()
    assert isinstance(back, HandedBack)
    assert back.counts
    assert "merge.died" in {entry["event"] for entry in logged}
    await studio.carry_out(await studio.picture())
    assert (await studio.story("7"))[-1] is Delivered


async def test_a_merge_is_cancelled_between_two_tensors(studio: Studio) -> None:
    request = await merge(studio, "endless")
    running = studio.begin(request)
    await studio.stepped("9")
    await studio.cancel("9")
    await running
    assert await studio.story() == [Started, Cancelled]
    assert "Cancelled" in studio.message(request).text


async def test_a_merge_that_does_not_listen_is_killed(redis_url: str, tmp_path: Path) -> None:
    async with open_studio(redis_url, tmp_path, cancel_grace_s=0.0) as studio:
        running = studio.begin(await merge(studio, "stubborn"))
        await studio.stepped("9")
        await studio.cancel("9")
        await running
        assert await studio.story() == [Started, Cancelled]


async def test_a_parent_that_was_deleted_meanwhile_is_named(studio: Studio) -> None:
    request = await merge(studio)
    await studio.blobs.delete(request.work.adapters[1].blob)  # type: ignore[union-attr]
    await studio.carry_out(request)
    assert "The adapter `b` was deleted meanwhile" in studio.message(request).text


async def test_a_repeat_of_a_committed_merge_only_delivers(studio: Studio) -> None:
    request = await merge(studio)
    await studio.carry_out(request)
    await studio.carry_out(msgspec.structs.replace(request, attempt=2, name="break"))
    assert await studio.story() == [Started, Produced, Delivered, Delivered]
