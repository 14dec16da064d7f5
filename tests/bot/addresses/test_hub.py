"""What Hugging Face's API says of a repository, as a page."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from bot.addresses.door import Addresses
from bot.errors import UserError
from tests.bot.addresses.internet import SHA256, WEIGHTS, Internet, hub_file, hub_repository

PAGE = "https://huggingface.co/ada/moss"
REPOSITORY = "huggingface.co/api/models/ada/moss/revision/main"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


async def refusal(addresses: Addresses, text: str = PAGE) -> str:
    with pytest.raises(UserError) as caught:
        await addresses.look_up(text)
    return caught.value.message


async def test_a_page_says_all_that_an_import_goes_by(internet: Internet, addresses: Addresses) -> None:
    internet.answer(REPOSITORY, hub_repository())
    page = await addresses.look_up(PAGE)
    assert (page.title, page.creator, page.kind, page.version) == ("moss", "ada", "lora", COMMIT[:12])
    assert page.base_model == "stabilityai/stable-diffusion-xl-base-1.0"
    assert page.trigger_words == ("a photo of mossy",)
    assert (page.licence_name, page.licence.commercial) == ("creativeml-openrail-m", True)
    assert (page.file.sha256, page.file.size_bytes, page.file.exact) == (SHA256, len(WEIGHTS), True)
    assert page.file.path == f"/ada/moss/resolve/{COMMIT}/moss.safetensors"


@pytest.mark.parametrize(
    ("card", "tags", "credit", "commercial", "derivatives"),
    [
        ({}, [], True, False, True),
        ({"license": ["mit"]}, [], True, True, True),
        ({"license": 3}, ["license:cc0-1.0"], False, True, True),
        ({"license": "cc-by-nc-nd-4.0"}, ["not-for-all-audiences"], True, False, False),
    ],
)
async def test_the_licence_of_the_card_is_read_with_care(
    internet: Internet, addresses: Addresses, card: dict[str, Any], tags: list[str], credit: bool, commercial: bool,
    derivatives: bool,
) -> None:  # fmt: skip
    internet.answer(REPOSITORY, hub_repository(cardData=card, tags=tags))
    page = await addresses.look_up(PAGE)
    assert (page.licence.credit, page.licence.commercial, page.licence.derivatives) == (credit, commercial, derivatives)
    assert page.age_restricted == ("not-for-all-audiences" in tags)
    assert page.kind is None  # its header will tell


async def test_one_of_several_files_is_named_by_its_own_address(internet: Internet, addresses: Addresses) -> None:
    files = [hub_file("a.safetensors"), hub_file("b c.safetensors"), hub_file("old/a.bin"), {"rfilename": "x.txt"}]
    internet.answer(REPOSITORY, hub_repository(siblings=files))
    assert "several files (`a.safetensors`, `b c.safetensors`)" in await refusal(addresses)
    page = await addresses.look_up(f"{PAGE}/blob/main/b%20c.safetensors")
    assert page.file.path.endswith("/b%20c.safetensors")
    assert "no `c.safetensors`" in await refusal(addresses, f"{PAGE}/blob/main/c.safetensors")
    assert "`darkroom convert`" in await refusal(addresses, f"{PAGE}/resolve/main/old/a.bin")
    assert "no .safetensors file" in await refusal(addresses, f"{PAGE}/resolve/main/x.txt")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([hub_file("moss.bin")], "`moss.bin` is a pickle"),
        ([{"rfilename": "README.md"}], "no .safetensors file"),
        ([{"rfilename": "model_index.json"}, hub_file("unet/a.safetensors")], "`darkroom models add`"),
    ],
)
async def test_what_can_not_be_taken_is_said(
    internet: Internet, addresses: Addresses, files: list[dict[str, Any]], words: str
) -> None:
    internet.answer(REPOSITORY, hub_repository(siblings=files))
    assert words in await refusal(addresses)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "RepoNotFound", "can set HF_TOKEN"), (401, "GatedRepo", "asks for your consent"),
        (403, "GatedRepo", "agree"),
        (404, "RepoNotFound", "removed"), (404, "EntryNotFound", "no such file"), (404, "RevisionNotFound", "removed"),
        (429, "", "asked too often"), (502, "", "answered 502"),
    ],
)  # fmt: skip
async def test_errors_of_the_site_say_what_to_do(
    internet: Internet, addresses: Addresses, status: int, code: str, words: str
) -> None:
    internet.answer(REPOSITORY, web.Response(status=status, headers={"X-Error-Code": code}))
    assert words in await refusal(addresses)
    assert "civitai" not in await refusal(addresses)


async def test_a_whole_model_brings_what_a_base_needs(internet: Internet, addresses: Addresses) -> None:
    names = ["unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
             "unet/config.json", "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "unet/flax_model.bin",
             "model_index.json", "run.py"]  # fmt: skip
    internet.answer(REPOSITORY, hub_repository(siblings=[hub_file(name) for name in names]))
    page = await addresses.look_up_base(PAGE)
    assert page.kind == "checkpoint"
    assert {file.name for file in page.files} == set(names) - {
        "unet/diffusion_pytorch_model.safetensors", "unet/flax_model.bin", "run.py"
    }  # fmt: skip


async def test_an_adapter_is_no_base(internet: Internet, addresses: Addresses) -> None:
    internet.answer(REPOSITORY, hub_repository())
    with pytest.raises(UserError, match="`/adapter import`"):
        await addresses.look_up_base(PAGE)


async def test_what_is_private_to_the_operator_is_not_there_for_members(
    internet: Internet, addresses: Addresses
) -> None:
    index = {"rfilename": "model_index.json", "size": 2}
    secret = hub_repository(private=True, tags=[], siblings=[index, hub_file("unet/secret.safetensors")])
    internet.answer(REPOSITORY, secret)
    said = await refusal(addresses)
    assert "no such model" in said
    assert "secret" not in said
    assert (await addresses.look_up_base(PAGE)).title == "moss"
