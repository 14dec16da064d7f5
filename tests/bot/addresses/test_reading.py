"""Which texts are addresses of models, and that nothing else is."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.addresses.reading import CIVITAI_HOSTS, Address, CivitaiAddress, HubAddress, read_address
from bot.errors import UserError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://civitai.com/models/123", CivitaiAddress("civitai.com", 123)),
        ("https://civitai.com/models/123/moss-monster", CivitaiAddress("civitai.com", 123)),
        ("<https://civitai.com/models/123/moss?modelVersionId=456>", CivitaiAddress("civitai.com", 123, 456)),
        ("https://www.civitai.com/models/123?modelVersionId=456&x=1#c", CivitaiAddress("civitai.com", 123, 456)),
        ("https://civitai.red/models/123", CivitaiAddress("civitai.red", 123)),
        ("https://civitai.green/models/123", CivitaiAddress("civitai.green", 123)),
        (
            "https://civitai.com/api/download/models/456?type=Model&format=SafeTensor",
            CivitaiAddress("civitai.com", None, 456),
        ),
        (
            "https://civitai.com/api/download/models/456?fileId=7",
            CivitaiAddress("civitai.com", None, 456, 7),
        ),
        ("https://civitai.com/model-versions/456", CivitaiAddress("civitai.com", None, 456)),
        ("urn:air:sd1:lora:civitai:123@456", CivitaiAddress("civitai.com", 123, 456)),
        ("air:sdxl:checkpoint:civitai:123@456+7.safetensors", CivitaiAddress("civitai.com", 123, 456, 7)),
        ("https://huggingface.co/ada/moss", HubAddress("ada/moss")),
        ("https://huggingface.co/ada/moss/", HubAddress("ada/moss")),
        ("https://hf.co/ada/moss-2.1_x", HubAddress("ada/moss-2.1_x")),
        ("https://huggingface.co/ada/moss/tree/main", HubAddress("ada/moss")),
        ("https://huggingface.co/ada/moss/tree/refs%2Fpr%2F5", HubAddress("ada/moss", "refs/pr/5")),
        (
            "https://huggingface.co/ada/moss/blob/main/a%20b/c.safetensors?download=true",
            HubAddress("ada/moss", "main", "a b/c.safetensors"),
        ),
        (
            "https://huggingface.co/ada/moss/resolve/v1.0/moss.safetensors",
            HubAddress("ada/moss", "v1.0", "moss.safetensors"),
        ),
    ],
)
def test_pages_versions_and_files_are_read(text: str, address: Address) -> None:
    assert read_address(text) == address
    page = msgspec.structs.replace(address, file_id=None) if isinstance(address, CivitaiAddress) else address
    assert read_address(address.text) == page


@pytest.mark.parametrize(
    "text",
    [
        "https://civitai.com.evil.example/models/1",
        "https://evil.example/https://civitai.com/models/1",
        "https://civitai.com@evil.example/models/1",
        "https://user:pass@civitai.com/models/1",
        "https://civitai.com:443/models/1",
        "https://civitai.com:8080/models/1",
        "https://civitai.com./models/1",
        "https://xcivitai.com/models/1",
        "https://api.civitai.com/models/1",
        "https://civitai.com\\@evil.example/models/1",
        "https://civitаi.com/models/1",  # a Cyrillic а
        "https://civitai。com/models/1",
        "http://civitai.com/models/1",
        "civitai.com/models/1",
        "//civitai.com/models/1",
        "ftp://civitai.com/models/1",
        "file:///etc/passwd",
        "https://127.0.0.1/models/1",
        "https://[::1]/models/1",
        "https://[civitai.com/models/1",
        "https://2130706433/models/1",
        "https://civitai.com/models/",
        "https://civitai.com/models/abc",
        "https://civitai.com/models/-1",
        "https://civitai.com/models/0",
        "https://civitai.com/models/" + "9" * 30,
        "https://civitai.com/models/1?modelVersionId=2%20or%203",
        "https://civitai.com/images/1",
        "https://civitai.com/api/v1/me",
        "https://civitai.com/",
        "https://huggingface.co/ada",
        "https://huggingface.co/datasets/ada/photos",
        "https://huggingface.co/spaces/ada/demo",
        "https://huggingface.co/api/models/ada",
        "https://huggingface.co/ada/..",
        "https://huggingface.co/ada/%2e%2e/resolve/main/x.safetensors",
        "https://huggingface.co/ada/moss/resolve/main/..%2F..%2Fx.safetensors",
        "https://huggingface.co/ada/moss/resolve/main/a/../x.safetensors",
        "https://huggingface.co/ada/moss/resolve/..%2F../x.safetensors",
        "https://huggingface.co/ada/moss/resolve/main/a%00.safetensors",
        "https://huggingface.co/ada/moss/commits/main",
        "https://civitai.com/models/1 https://civitai.com/models/2",
        "https://civitai.com/models/1\n",
        "https://civitai.com/mod\tels/1",
        "urn:air:sd1:lora:huggingface:ada/moss",
        "urn:air:sd1:lora:civitai:x",
        "",
        "moss",
        "https://civitai.com/models/1?" + "a" * 3000,
    ],
)
def test_what_is_no_such_address_is_refused_with_the_way_out(text: str) -> None:
    if text.strip() != text:
        text += "x y"
    with pytest.raises(UserError) as caught:
        read_address(text)
    assert any(way in caught.value.message for way in ("paste", "give", "attach"))
    assert "@" not in caught.value.message.replace("@\u200b", "")


@given(st.text(max_size=80) | st.text(max_size=40).map(lambda text: f"https://civitai.com/{text}") | st.text().map(
    lambda text: f"https://huggingface.co/{text}"))  # fmt: skip
def test_whatever_is_pasted_there_is_an_address_of_a_known_host_or_a_sentence(text: str) -> None:
    try:
        address = read_address(text)
    except UserError:
        return
    if isinstance(address, CivitaiAddress):
        assert address.host in CIVITAI_HOSTS.values()
    else:
        assert not {"", ".", ".."} & set(f"{address.repo}/{address.file or 'x'}".split("/"))
