"""Adapter files of every kind on their way into a picture: the engine's backend with torch, on the embedded base."""

from __future__ import annotations

import hashlib
import io
import tempfile

import msgspec
import pytest
import torch
from PIL import Image

from tests.requests import picture_request
from tests.trainer.spooled import spool
from tests.trainer.worker.test_engine import CARD
from trainer import messages
from trainer.adapters.embedding_files import Embedding, write_diffusers_embedding, write_embedding
from trainer.adapters.files import write_lora
from trainer.adapters.uses import list_hashes, read_adapter
from trainer.backend import TorchBackend
from trainer.contract.drawings import AdapterUse
from trainer.engine import Engine

LAYER = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    made = TorchBackend(None, "cpu")
    made.start()
    return made


@pytest.fixture(scope="module")
def embedding(backend: TorchBackend) -> Embedding:
    base, _ = backend._base("emoji-64")
    vectors = torch.randn(2, base.towers[0].width, generator=torch.Generator().manual_seed(1))
    return Embedding("thnos", {"text_encoder": vectors})


def lora(backend: TorchBackend, embeddings: tuple[Embedding, ...] = ()) -> bytes:
    """A LoRA of one layer, with vectors inside where it is a pivotal adapter."""
    base, _ = backend._base("emoji-64")
    layer = base.unet.get_submodule(LAYER.removeprefix("unet."))
    rng = torch.Generator().manual_seed(2)
    weights = {
        f"{LAYER}.lora_A.weight": torch.randn(2, layer.in_features, generator=rng),
        f"{LAYER}.lora_B.weight": torch.randn(layer.out_features, 2, generator=rng),
    }
    return write_lora(weights, {}, embeddings)


def draw(backend: TorchBackend, prompt: str, *adapters: tuple[AdapterUse, bytes]) -> messages.PictureFile:
    # as in the blob store, a file's name is what it holds
    files = {hashlib.sha256(data).hexdigest(): data for _, data in adapters}
    uses = [msgspec.structs.replace(use, blob=blob) for (use, _), blob in zip(adapters, files, strict=True)]
    request = picture_request(CARD, prompt, adapters=uses, seed=1, num_inference_steps=2)
    reports: list[messages.Report] = []
    engine = Engine(backend, reports.append)
    with tempfile.TemporaryDirectory() as folder:
        spooled = {blob: spool(folder, data) for blob, data in files.items()}
        engine.take(messages.StartImagining(request, spooled))
        while engine.busy:
            engine.turn()
    drawn = reports[-1]
    assert isinstance(drawn, messages.Drawn), drawn
    return drawn.pictures[0]


INVERSION = AdapterUse(name="thnos", blob="", weight=1.0, kind="textual_inversion", trigger="thnos")
LORA = AdapterUse(name="ada/thnos", blob="", weight=0.8, trigger="thnos")


def test_an_inversion_acts_where_its_word_stands_and_by_its_weight(backend: TorchBackend, embedding: Embedding) -> None:
    file = write_embedding(embedding, {})
    pictures = [
        draw(backend, "thnos in a suit").png,
        draw(backend, "thnos in a suit", (INVERSION, file)).png,
        draw(backend, "(thnos:1.5) in a suit", (INVERSION, file)).png,
    ]
    assert len({pixels(png) for png in pictures}) == 3
    without = draw(backend, "a fox in a suit").png
    assert pixels(draw(backend, "a fox in a suit", (INVERSION, file)).png) == pixels(without)
    theirs = write_diffusers_embedding(embedding, {})
    assert pixels(draw(backend, "thnos in a suit", (INVERSION, theirs)).png) == pixels(pictures[1])


def test_a_pivotal_adapter_brings_its_vectors_along(backend: TorchBackend, embedding: Embedding) -> None:
    apart = draw(
        backend, "thnos in a suit", (LORA, lora(backend)), (INVERSION, write_embedding(embedding, {}))
    ).png  # fmt: skip
    together = draw(backend, "thnos in a suit", (LORA, lora(backend, (embedding,)))).png
    assert pixels(together) == pixels(apart)
    assert pixels(draw(backend, "thnos in a suit", (LORA, lora(backend))).png) != pixels(apart)


def test_the_settings_name_the_files_as_a1111_does(backend: TorchBackend, embedding: Embedding) -> None:
    inversion, weights = write_embedding(embedding, {}), lora(backend)
    body = weights[8 + int.from_bytes(weights[:8], "little") :]
    picture = draw(backend, "thnos in a suit", (LORA, weights), (INVERSION, inversion))
    hashes = (
        f'Lora hashes: "ada/thnos: {hashlib.sha256(body).hexdigest()[:12]}", '
        f'TI hashes: "thnos: {hashlib.sha256(inversion).hexdigest()[:12]}"'
    )
    assert hashes in picture.parameters


def test_a_hash_in_the_header_goes_before_ones_own(backend: TorchBackend) -> None:
    tensors = {f"{LAYER}.lora_A.weight": torch.ones(1, 1), f"{LAYER}.lora_B.weight": torch.ones(1, 1)}
    digest = read_adapter(LORA, write_lora(tensors, {"sshs_model_hash": "0123456789abcdef"}), {}).digest
    other = msgspec.structs.replace(LORA, name="x")
    assert list_hashes([(LORA, digest), (other, digest)]) == {"Lora hashes": "ada/thnos: 0123456789ab, x: 0123456789ab"}
    whole = msgspec.structs.replace(LORA, kind="checkpoint")
    assert list_hashes([(whole, digest)]) == list_hashes([]) == {}


def test_vectors_for_another_family_are_refused(backend: TorchBackend) -> None:
    wide = write_embedding(Embedding("thnos", {"text_encoder": torch.ones(1, 7)}), {})
    with pytest.raises(AssertionError, match="Refused"):
        draw(backend, "thnos", (INVERSION, wide))


def pixels(png: bytes) -> bytes:
    """What a picture shows, whatever its settings say."""
    return Image.open(io.BytesIO(png)).tobytes()
