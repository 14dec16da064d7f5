"""What Civitai's API says of a model, as a page; and why a model is not taken, in one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from bot.addresses import asking
from bot.addresses.door import Addresses, Keys
from bot.errors import UserError
from tests.bot.addresses.internet import (
    SHA256,
    WEIGHTS,
    Internet,
    civitai_file,
    civitai_model,
    civitai_version,
    endless,
)

PAGE = "https://civitai.com/models/123"
MODEL = "civitai.com/api/v1/models/123"


async def refusal(addresses: Addresses, text: str = PAGE) -> str:
    with pytest.raises(UserError) as caught:
        await addresses.look_up(text)
    return caught.value.message


async def test_a_page_says_all_that_an_import_goes_by(internet: Internet, addresses: Addresses) -> None:
    internet.answer(MODEL, civitai_model())
    page = await addresses.look_up(PAGE)
    assert (page.title, page.version, page.creator, page.kind) == ("Moss Monster", "v2.0", "ada", "lora")
    assert page.base_model == "SDXL 1.0"
    assert page.trigger_words == ("moss monster", "green fur")
    assert page.weights == (0.6, 0.7, 0.8)
    assert (page.licence.credit, page.licence.commercial, page.licence.derivatives) == (False, True, True)
    assert (page.age_restricted, page.real_person) == (False, False)
    assert page.description.startswith("Recommended weight: 0.6")
    assert page.source == "https://civitai.com/models/123?modelVersionId=456"
    assert (page.file.name, page.file.sha256, page.file.size_bytes) == ("moss_v2.safetensors", SHA256, len(WEIGHTS))


async def test_the_version_that_is_named_is_taken(internet: Internet, addresses: Addresses) -> None:
    internet.answer(MODEL, civitai_model())
    assert (await addresses.look_up(f"{PAGE}?modelVersionId=455")).version == "v1.0"
    internet.answer("civitai.com/api/v1/model-versions/455", {"id": 455, "modelId": 123, "name": "v1.0"})
    assert (await addresses.look_up("https://civitai.com/api/download/models/455")).version == "v1.0"
    assert "no version 9 any more" in await refusal(addresses, f"{PAGE}?modelVersionId=9")


async def test_the_mirrors_are_asked_themselves(internet: Internet, addresses: Addresses) -> None:
    internet.answer("civitai.red/api/v1/models/123", civitai_model(nsfw=True, poi=True))
    page = await addresses.look_up("https://www.civitai.red/models/123")
    assert (page.age_restricted, page.real_person) == (True, True)
    assert [request.host for request in internet.asked] == ["civitai.red"]


@pytest.mark.parametrize(
    ("uses", "commercial"),
    [(["Image"], True), (["Sell"], True), (["RentCivit"], False), (["None"], False), ([], False), ("Image", True),
     ("{Image,RentCivit}", True), ("None", False), (None, False)],
)  # fmt: skip
async def test_the_licence_is_read_in_all_forms_it_was_ever_told_in(
    internet: Internet, addresses: Addresses, uses: Any, commercial: bool
) -> None:
    internet.answer(
        MODEL, civitai_model(allowCommercialUse=uses, allowNoCredit=False, allowDerivatives=False, creator=None)
    )
    page = await addresses.look_up(PAGE)
    assert (page.licence.credit, page.licence.commercial, page.licence.derivatives) == (True, commercial, False)


async def test_the_safetensors_file_is_taken_before_a_pickle_and_the_primary_before_others(
    internet: Internet, addresses: Addresses
) -> None:
    files = [
        civitai_file(id=1, name="training.zip", type="Training Data", primary=False),
        civitai_file(id=2, name="moss.pt", metadata={"format": "PickleTensor"}, primary=True),
        civitai_file(id=3, name="other.safetensors", primary=False),
        civitai_file(id=4, name="moss.safetensors", primary=True),
    ]
    internet.answer(MODEL, civitai_model(civitai_version(files=files)))
    assert (await addresses.look_up(PAGE)).file.name == "moss.safetensors"
    assert (await addresses.look_up(f"{PAGE}?fileId=3")).file.name == "other.safetensors"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (civitai_model(type="Checkpoint"), "`darkroom models add`"),
        (civitai_model(type="Controlnet"), "of the type `Controlnet`"),
        (civitai_model(mode="TakenDown", modelVersions=[]), "taken `Moss Monster` down"),
        (civitai_model(mode="Archived"), "archived it"),
        (civitai_model(availability="Private"), "no such model"),
        (civitai_model(civitai_version(availability="Private")), "no such model"),
        (civitai_model(civitai_version(files=[civitai_file(virusScanResult="Danger")])), "own scan warns"),
        (civitai_model(minor=True), "showing a minor"),
        (civitai_model(modelVersions=[]), "no version that is published"),
        (civitai_model(civitai_version(usageControl="Generation")), "used on Civitai alone"),
        (civitai_model(civitai_version(files=None)), "no .safetensors file"),
        (civitai_model(civitai_version(files=[civitai_file(name="moss.pt")])), "`darkroom convert`"),
        (civitai_model(civitai_version(files=[civitai_file(name="a.ckpt")])), "`a.ckpt` is a pickle"),
        (
            civitai_model(civitai_version(earlyAccessEndsAt="2999-01-02T00:00:00.000Z")),
            "in early access until 2999-01-02",
        ),
        (civitai_model(civitai_version(availability="EarlyAccess")), "in early access for now"),
        (
            civitai_model(civitai_version(files=[civitai_file(downloadUrl="https://evil.example/api/download/models/1")])),
            "not known to come from",
        ),
        (
            civitai_model(civitai_version(files=[civitai_file(downloadUrl="http://civitai.com/api/download/models/1")])),
            "not known to come from",
        ),
        (
            civitai_model(civitai_version(files=[civitai_file(downloadUrl="https://civitai.com/api/v1/me")])),
            "not known to come from",
        ),
    ],
)  # fmt: skip
async def test_what_is_not_taken_is_said_in_one_sentence(
    internet: Internet, addresses: Addresses, model: dict[str, Any], words: str
) -> None:
    internet.answer(MODEL, model)
    assert words in await refusal(addresses)


async def test_early_access_that_is_over_is_none(internet: Internet, addresses: Addresses) -> None:
    version = civitai_version(availability="EarlyAccess", earlyAccessEndsAt="2024-01-02T00:00:00.000Z")
    internet.answer(MODEL, civitai_model(version))
    assert (await addresses.look_up(PAGE)).version == "v2.0"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "can set CIVITAI_TOKEN"), (403, "early access"), (404, "removed, or never published, or on civitai.red"),
        (410, "removed"), (429, "asked too often"), (451, "may not give"), (500, "answered 500"), (503, "answered 503"),
    ],
)  # fmt: skip
async def test_errors_of_the_site_say_what_to_do(
    internet: Internet, addresses: Addresses, status: int, words: str
) -> None:
    internet.answer(MODEL, web.Response(status=status, text="<html>secret</html>", content_type="text/html"))
    said = await refusal(addresses)
    assert words in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "body",
    [b"<html><body>Just a moment...</body></html>", b"", b"[]", b"null", b"{}", b'{"id": 1}', b"[" * 2_000_000,
     b'{"id": "x", "name": 1, "type": []}', b"\xff\xfe",
     b'{"id": 123, "name": "a", "type": "LORA", "modelVersions": 3}'],
    ids=range(10),
)  # fmt: skip
async def test_an_answer_of_another_shape_is_told(internet: Internet, addresses: Addresses, body: bytes) -> None:
    internet.answer(MODEL, body)
    assert "not what its documentation promises" in await refusal(addresses)


async def test_an_endless_answer_is_left(
    internet: Internet, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MOST_JSON_BYTES", 1024 * 1024)
    internet.answer(MODEL, endless)
    assert "its answer was endless" in await refusal(addresses)


async def test_a_packed_answer_is_never_unpacked(internet: Internet, addresses: Addresses) -> None:
    internet.answer(MODEL, web.Response(body=b"\x1f\x8b bomb", headers={"Content-Encoding": "gzip"}))
    assert "packed" in await refusal(addresses)


async def test_what_strangers_wrote_steers_nothing(internet: Internet, addresses: Addresses) -> None:
    version = civitai_version(name="v1\x1b[2J", trainedWords=["a\nb\u202e", ""], baseModel="SD\x00 1.5")
    internet.answer(MODEL, civitai_model(version, name="Moss\u202e\n@everyone" + "x" * 500))
    page = await addresses.look_up(PAGE)
    assert (page.version, page.trigger_words, page.base_model) == ("v1 [2J", ("a b",), "SD 1.5")
    assert page.title.startswith("Moss @everyonexxx")
    assert len(page.title) == 200


class TestWithToken:
    @pytest.fixture
    def keys(self) -> Keys:
        return Keys(civitai_token="secret-of-civitai", hub_token="secret-of-the-hub")

    async def test_it_is_sent_to_the_site(self, internet: Internet, addresses: Addresses) -> None:
        internet.answer(MODEL, civitai_model(civitai_version(availability="EarlyAccess")))
        await addresses.look_up(PAGE)  # who has a token may have bought it
        assert [request.headers["Authorization"] for request in internet.asked] == ["Bearer secret-of-civitai"]

    async def test_a_site_that_refuses_it_is_told_of(self, internet: Internet, addresses: Addresses) -> None:
        internet.answer(MODEL, web.Response(status=401))
        said = await refusal(addresses)
        assert "this bot's CIVITAI_TOKEN" in said
        assert "secret" not in said
