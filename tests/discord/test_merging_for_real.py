"""The whole road with torch and emoji-64: brought in, merged, drawn with, baked, taken out, exported, brought in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import torch
from safetensors import safe_open
from safetensors.torch import load

from sandbox.members import File, Member, Message
from tests.discord.backend import BASE
from tests.discord.house import CHANNEL, PATIENCE_S, House, house, labels
from trainer.adapters.files import read_lora, write_lora
from trainer.backend import TorchBackend
from trainer.models.registry import EMBEDDED_FOLDER

pytestmark = pytest.mark.asyncio(loop_scope="module")


class EmojiBackend(TorchBackend):
    """The real one, with the base that comes with the house."""

    bases = (BASE,)

    def __init__(self) -> None:
        super().__init__(None, "cpu")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_house(tmp_path_factory: pytest.TempPathFactory, module_redis_url: str) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("house"), module_redis_url, worker=False) as home:
        await home.start_worker(EmojiBackend())  # type: ignore[arg-type]
        for seed, name in enumerate(("a", "b"), 1):
            await bring(home, home.ada, name, random_lora(seed))
        yield home


def random_lora(seed: int, rank: int = 4) -> bytes:
    """One for some of emoji-64's layers, and with metadata that are nobody's business."""
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, torch.Tensor] = {}
    with safe_open(next((EMBEDDED_FOLDER / "unet").glob("*.safetensors")), "pt") as unet:
        for key in sorted(unet.keys()):
            if key.startswith(("mid", "down")) and key.endswith(("to_q.weight", "to_v.weight")):
                out, width = unet.get_slice(key).get_shape()
                module = f"unet.{key.removesuffix('.weight')}"
                weights[f"{module}.lora_A.weight"] = torch.randn(rank, width, generator=generator) / 8
                weights[f"{module}.lora_B.weight"] = torch.randn(out, rank, generator=generator) / 8
    return write_lora(weights, {"ss_output_dir": "/home/ada/secret", "ss_base_model_version": "sd_v1"})


async def bring(home: House, who: Member, name: str, data: bytes) -> None:
    asked: dict[str, Any] = {"file": File(f"{name}.safetensors", data), "name": name, "person": "none"}
    answer = await (await who.slash("adapter import", channel=CHANNEL, **asked)).response(PATIENCE_S)
    await home.sandbox.wait_for(
        lambda message: message.id == answer.id and "is yours" in message.text, seen_by=who, timeout_s=PATIENCE_S
    )


async def exported(home: House, name: str, **options: Any) -> tuple[Message, bytes]:
    exchange = await home.ada.slash("adapter export", channel=CHANNEL, name=name, **options)
    first = await exchange.response(PATIENCE_S)
    answer = await home.sandbox.wait_for(
        lambda message: message.id == first.id and bool(message.files), seen_by=home.ada, timeout_s=PATIENCE_S
    )
    return answer, answer.files[0].data


async def file_of(home: House, name: str) -> bytes:
    return await home.services.blobs.read((await home.adapter(home.ada, name)).blob)


def deltas(data: bytes) -> dict[str, torch.Tensor]:
    """What each layer's weights change by."""
    weights = read_lora(data).weights
    modules = {key.rpartition(".lora_")[0] for key in weights}
    return {each: weights[f"{each}.lora_B.weight"] @ weights[f"{each}.lora_A.weight"] for each in sorted(modules)}


async def test_a_merge_is_the_sum_that_a_prompt_draws(home: House) -> None:
    prompt = "<lora:a:0.6><lora:b:0.4>"
    card = await home.result(await home.ada.slash("merge", channel=CHANNEL, prompt=prompt, name="ab"))
    assert "rank 8" in card.text
    a, b, made = [deltas(await file_of(home, name)) for name in ("a", "b", "ab")]
    for module, delta in made.items():
        wanted = 0.6 * a[module] + 0.4 * b[module]
        assert torch.linalg.vector_norm(delta - wanted) <= 2e-3 * torch.linalg.vector_norm(wanted)
    drawn = await home.result(await home.ada.click(card, labels(card)[0]))
    assert len(drawn.files) == 2


async def test_what_is_exported_and_brought_in_again_has_the_same_tensors(home: House) -> None:
    answer, kohya = await exported(home, "a")
    assert "for A1111, Forge and ComfyUI, float16" in answer.content
    assert any(key.startswith("lora_unet_") for key in load(kohya))
    assert b"secret" not in kohya
    await bring(home, home.ada, "again", kohya)
    _, second = await exported(home, "again")
    first, again = load(kohya), load(second)
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)
    own, back = deltas(await file_of(home, "a")), deltas(kohya)
    assert all(torch.allclose(own[module], back[module], atol=1e-6) for module in own)


async def test_a_smaller_one_says_what_that_costs(home: House) -> None:
    whole, _ = await exported(home, "a", form="diffusers")
    small, data = await exported(home, "a", form="diffusers", rank=2)
    assert len(data) < 0.7 * len(whole.files[0].data)
    assert "%" in small.content.partition("rank 2")[2]


async def test_what_is_put_into_a_model_is_taken_out_again(home: House) -> None:
    baked = await home.result(
        await home.ada.slash("merge", channel=CHANNEL, prompt="<lora:a:1>", name="baked", into=BASE)
    )
    assert "Write `/imagine prompt:<lora:baked> in a suit`" in baked.text
    assert (await home.drawn(home.ada, "<lora:baked> a fox", steps=2)).files
    taken = await home.result(
        await home.ada.slash("checkpoint extract", channel=CHANNEL, tuned="baked", name="taken", rank=4)
    )
    a, made = deltas(await file_of(home, "a")), deltas(await file_of(home, "taken"))
    assert a.keys() <= made.keys(), taken.text
    for module, delta in a.items():
        assert torch.linalg.vector_norm(delta - made[module]) <= 0.02 * torch.linalg.vector_norm(delta)


async def test_whole_models_are_merged_as_a1111_does(home: House) -> None:
    card = await home.result(
        await home.ada.slash("checkpoint merge", channel=CHANNEL, a=BASE, b="baked", name="half", alpha=0.25)
    )
    assert "Weighted sum" in card.text
    baked, half = load(await file_of(home, "baked")), load(await file_of(home, "half"))
    with safe_open(next((EMBEDDED_FOLDER / "unet").glob("*.safetensors")), "pt") as unet:
        for key in sorted(unet.keys())[::17]:
            wanted = 0.75 * unet.get_tensor(key).float() + 0.25 * baked[f"unet.{key}"].float()
            assert torch.allclose(half[f"unet.{key}"].float(), wanted, atol=2e-3)
    assert (await home.drawn(home.ada, "<lora:half> a fox", steps=2)).files
    first = await (await home.ada.slash("adapter export", channel=CHANNEL, name="half")).response(PATIENCE_S)
    await home.sandbox.wait_for(
        lambda message: message.id == first.id and "above the 10 MiB that can be sent here" in message.content,
        seen_by=home.ada, timeout_s=PATIENCE_S,
    )  # fmt: skip
