"""Base models from addresses: gigabytes that go on where they broke off, and are what their page says."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import torch
from aiohttp import web
from safetensors.torch import save as save_file_bytes
from typer.testing import CliRunner

from bot.addresses import resuming
from bot.addresses.door import Addresses, Keys
from bot.bases import adding
from bot.bases.adding import STAGE
from bot.cli import app
from bot.errors import UserError
from tests.bot.addresses.internet import (
    Handler,
    Internet,
    a_stand_in,
    an_internet,
    civitai_file,
    civitai_model,
    civitai_version,
    hub_file,
    hub_repository,
)
from tests.bot.bases.models import SMALL_MODEL, look_here
from trainer.models.registry import EMBEDDED_FOLDER, find_bases

SHA256 = hashlib.sha256(SMALL_MODEL).hexdigest()
PAGE, FILE = "https://civitai.com/models/123", "civitai.com/api/download/models/456"
HALF = len(SMALL_MODEL) // 2


@pytest.fixture
async def internet() -> AsyncIterator[Internet]:
    async with an_internet() as opened:
        yield opened


@pytest.fixture
async def addresses(internet: Internet) -> AsyncIterator[Addresses]:
    async with Addresses(Keys(), resolver=internet, may_connect=internet.may_connect, context=internet.context) as door:
        yield door


@pytest.fixture
def bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(resuming, "PAUSE_S", 0.0)
    folder = tmp_path / "bases"
    folder.mkdir()
    return folder


def publish(internet: Internet, handler: Handler | bytes, **changes: Any) -> None:
    """A checkpoint on Civitai."""
    file = civitai_file(**({"sizeKB": len(SMALL_MODEL) / 1024, "hashes": {"SHA256": SHA256.upper()}} | changes))
    version = civitai_version(files=[file | {"name": "photon_v1.safetensors"}])
    internet.answer("civitai.com/api/v1/models/123", civitai_model(version, type="Checkpoint"))
    internet.answer(FILE, handler)


def breaking_off(body: bytes, etag: str, *, whole_from: int) -> Handler:
    """Half of a file at each of the first attempts, by Range where it is asked for."""
    attempts = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal attempts
        attempts += 1
        begin = 0
        if "Range" in request.headers and request.headers.get("If-Range", etag) == etag:
            begin = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        headers = {"ETag": etag, "Content-Length": str(len(body) - begin)}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        response = web.StreamResponse(status=206 if begin else 200, headers=headers)
        await response.prepare(request)
        if attempts < whole_from:
            await response.write(body[begin : begin + HALF])
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(body[begin:])
        return response

    return answer


async def test_a_checkpoint_becomes_a_base(internet: Internet, addresses: Addresses, bases: Path) -> None:
    publish(internet, SMALL_MODEL)
    page = await addresses.look_up_base(PAGE)
    staged = await adding.stage_page(addresses, page, bases, look=look_here)
    adding.install(staged, bases, staged.proposed_name)
    assert [base.name for base in find_bases(bases)] == ["photon_v1"]
    assert list((bases / STAGE).iterdir()) == []


async def test_what_broke_off_goes_on_there(internet: Internet, addresses: Addresses, bases: Path) -> None:
    publish(internet, breaking_off(SMALL_MODEL, '"one"', whole_from=2))
    await adding.stage_page(addresses, await addresses.look_up_base(PAGE), bases, look=look_here)
    asked = [request.headers.get("Range") for request in internet.asked if request.path.startswith("/api/download")]
    assert asked == [None, f"bytes={HALF}-"]
    assert internet.asked[-1].headers["If-Range"] == '"one"'


async def test_what_is_whole_already_is_not_fetched_again(
    internet: Internet, addresses: Addresses, bases: Path
) -> None:
    publish(internet, SMALL_MODEL)
    page = await addresses.look_up_base(PAGE)
    await adding.stage_page(addresses, page, bases, look=look_here)
    asked = len(internet.asked)
    await adding.stage_page(addresses, page, bases, look=look_here)
    assert len(internet.asked) == asked


async def test_a_file_that_changed_in_between_is_fetched_anew(
    internet: Internet, addresses: Addresses, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "TRIES", 1)
    publish(internet, breaking_off(b"\1" * len(SMALL_MODEL), '"old"', whole_from=9))
    page = await addresses.look_up_base(PAGE)
    with pytest.raises(UserError, match="connection broke"):
        await adding.stage_page(addresses, page, bases, look=look_here)
    publish(internet, breaking_off(SMALL_MODEL, '"new"', whole_from=1))
    assert (await adding.stage_page(addresses, page, bases, look=look_here)).base.family == "sd1"


async def test_another_part_than_was_asked_for_is_not_appended(
    internet: Internet, addresses: Addresses, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lies(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Range": f"bytes 0-{len(SMALL_MODEL) - 1}/{len(SMALL_MODEL)}"}
        return web.Response(status=206 if "Range" in request.headers else 200, headers=headers, body=SMALL_MODEL)

    monkeypatch.setattr(resuming, "TRIES", 1)
    publish(internet, breaking_off(SMALL_MODEL, '"one"', whole_from=9))
    page = await addresses.look_up_base(PAGE)
    with pytest.raises(UserError, match="connection broke"):
        await adding.stage_page(addresses, page, bases, look=look_here)
    internet.answer(FILE, lies)
    with pytest.raises(UserError, match="another part"):
        await adding.stage_page(addresses, page, bases, look=look_here)
    assert (await adding.stage_page(addresses, page, bases, look=look_here)).base.family == "sd1"


async def test_another_file_than_its_page_says_is_thrown_away(
    internet: Internet, addresses: Addresses, bases: Path
) -> None:
    publish(internet, SMALL_MODEL[:-1] + b"!")
    with pytest.raises(UserError, match="SHA-256"):
        await adding.stage_page(addresses, await addresses.look_up_base(PAGE), bases, look=look_here)
    assert [path for path in bases.rglob("*") if path.is_file()] == []


async def test_a_whole_folder_of_hugging_face_becomes_a_base(
    internet: Internet, addresses: Addresses, bases: Path
) -> None:
    files = {str(path.relative_to(EMBEDDED_FOLDER)): path for path in EMBEDDED_FOLDER.rglob("*") if path.is_file()}
    repository = hub_repository(siblings=[hub_file(name, path.read_bytes()) for name, path in files.items()])
    internet.answer("huggingface.co/api/models/ada/moss/revision/main", repository)
    for name, path in files.items():
        internet.answer(f"huggingface.co/ada/moss/resolve/{repository['sha']}/{name}", path.read_bytes())
    told: list[int] = []
    page = await addresses.look_up_base("https://huggingface.co/ada/moss")
    staged = await adding.stage_page(addresses, page, bases, lambda received, _: told.append(received), look=look_here)
    adding.install(staged, bases, staged.proposed_name)
    assert [base.name for base in find_bases(bases)] == ["moss"]
    assert told == sorted(told)
    assert told[-1] == sum(file.size_bytes or 0 for file in page.files)


@pytest.mark.parametrize("name", ["../../evil.safetensors", "unet/../../../evil.json", "/etc/evil.json"])
async def test_no_file_of_a_repository_leaves_its_folder(
    internet: Internet, addresses: Addresses, bases: Path, name: str
) -> None:
    names = ["model_index.json", "unet/config.json", name]
    repository = hub_repository(siblings=[hub_file(each, b"{}") for each in names])
    internet.answer("huggingface.co/api/models/ada/moss/revision/main", repository)
    for each in names:
        internet.answer(f"huggingface.co/ada/moss/resolve/{repository['sha']}/{each}", b"{}")
    page = await addresses.look_up_base("https://huggingface.co/ada/moss")
    with pytest.raises(UserError):
        await adding.stage_page(addresses, page, bases, look=look_here)
    assert not list(bases.parent.rglob("evil*"))


class TestCommand:
    """`darkroom models add` with an address, at a terminal."""

    @pytest.fixture(autouse=True)
    async def site(self, bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Internet]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("DARKROOM_BASES", str(bases))
        async with a_stand_in("civitai.com") as (site, base):
            monkeypatch.setenv("CIVITAI_BASE", base)
            publish(site, SMALL_MODEL)
            yield site

    async def add(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        ended = await asyncio.to_thread(
            CliRunner().invoke, app, ["models", "add", PAGE, *arguments], input=typed, env={"COLUMNS": "200"}
        )
        return ended.exit_code, ended.output

    async def test_the_licence_is_shown_and_asked_for_and_then_the_name(self, bases: Path) -> None:
        code, said = await self.add(typed="y\nmine\n")
        assert code == 0, said
        for words in (
            "Moss Monster (v2.0) by ada", f"{PAGE}?modelVersionId=456", "made for SDXL 1.0",
            "nobody has to be named, pictures may be sold, it may be merged", "Do you agree to this licence",
            "Stable Diffusion 1.x, 512 × 512",
        ):  # fmt: skip
            assert words in said, said
        assert [base.name for base in find_bases(bases)] == ["mine"]

    async def test_who_does_not_agree_fetches_nothing(self, site: Internet, bases: Path) -> None:
        code, _ = await self.add(typed="n\n")
        assert (code, list(bases.rglob("*"))) == (1, [])
        assert not [request for request in site.asked if "download" in request.path]

    async def test_a_model_of_another_kind_is_told_by_its_name(self, site: Internet, bases: Path) -> None:
        other = save_file_bytes({"joint_blocks.0.x": torch.zeros(1)})
        publish(site, other, sizeKB=len(other) / 1024, hashes={"SHA256": hashlib.sha256(other).hexdigest()})
        code, said = await self.add("--yes")
        assert (code, [path for path in bases.rglob("*") if path.is_file()]) == (1, [])
        assert "photon_v1 is Stable Diffusion 3, which can't be used here" in said

    async def test_an_adapter_is_sent_to_where_it_belongs(self, site: Internet) -> None:
        site.answer("civitai.com/api/v1/models/123", civitai_model())
        assert "bring it by `/adapter import`" in (await self.add("--yes"))[1]
