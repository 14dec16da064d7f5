"""The slot bank: every sample of a batch with adapters of its own, as if it were drawn alone with them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from trainer.adapters.bank import AdapterBank
from trainer.adapters.slots import Mix, SlotBank
from trainer.errors import BadAdapterFile

Tensors = dict[str, torch.Tensor]


class Block(nn.Module):
    """All kinds of layers that an adapter can act in."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(4, 12, 3, padding=1)
        self.down = nn.Conv2d(12, 12, 3, stride=2, padding=1)
        self.proj = nn.Conv2d(12, 8, 1)
        self.to_q = nn.Linear(8, 8, bias=False)
        self.time = nn.Linear(6, 8)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        x = self.proj(torch.tanh(self.down(torch.tanh(self.conv_in(x)))))
        x = x + self.time(time)[:, :, None, None]
        return self.to_q(x.flatten(2).transpose(1, 2))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def block() -> Block:
    torch.manual_seed(0)
    return Block().requires_grad_(False)


def tensors_of(block: Block, seed: int, rank: int, modules: tuple[str, ...], *, dora: bool = False) -> Tensors:
    """An adapter of scale 1 in these modules."""
    rng, made = seeded(seed), {}
    for name in modules:
        weight = block.get_submodule(name).weight
        core = weight.shape[1:]
        made[f"{name}.lora_A.weight"] = torch.randn(rank, *core, generator=rng) * 0.3
        made[f"{name}.lora_B.weight"] = torch.randn(len(weight), rank, *[1] * (weight.ndim - 2), generator=rng) * 0.3
        if dora:
            made[f"{name}.lora_magnitude_vector"] = torch.rand(len(weight), generator=rng) + 0.5
    return made


def merged(block: Block, *adapters: tuple[Tensors, float]) -> Block:
    """The block with the adapters added to its weights, by the definition."""
    changed = copy.deepcopy(block)
    for name, module in changed.named_modules():
        if not isinstance(module, nn.Linear | nn.Conv2d):
            continue
        weight = block.get_submodule(name).weight
        module.weight = nn.Parameter(weight.clone())
        for tensors, share in adapters:
            if f"{name}.lora_A.weight" not in tensors:
                continue
            down, up = tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"]
            new = weight + torch.tensordot(up.flatten(1), down, 1)
            magnitude = tensors.get(f"{name}.lora_magnitude_vector")
            if magnitude is not None:
                norm = new.flatten(1).norm(dim=1)
                new = new * (magnitude / norm).view(-1, *[1] * (weight.ndim - 1))
            module.weight.data += share * (new - weight)
    return changed


ALL = ("conv_in", "down", "proj", "to_q", "time")


def test_each_sample_is_as_with_its_adapters_merged_into_the_weights(block: Block) -> None:
    plain = copy.deepcopy(block)
    own = [
        tensors_of(block, 1, 3, ALL), tensors_of(block, 2, 17, ("to_q", "down")),
        tensors_of(block, 3, 2, ALL, dora=True),
    ]  # fmt: skip
    bank = SlotBank(block)
    first, second, third = (bank.fit(tensors) for tensors in own)
    mixes: list[Mix] = [
        ((first, 0.8),),
        (),
        ((second, -0.5), (first, 1.2)),
        ((third, 0.7),),
        ((third, 0.7), (first, 1)),
    ]
    expected = [
        merged(plain, (own[0], 0.8)), plain, merged(plain, (own[1], -0.5), (own[0], 1.2)), merged(plain, (own[2], 0.7)),
        merged(plain, (own[2], 0.7), (own[0], 1)),
    ]  # fmt: skip
    x, time = torch.randn(10, 4, 8, 6, generator=seeded(5)), torch.randn(10, 6, generator=seeded(6))
    bank.activate(mixes)
    found = block(x, time)
    for place, alone in enumerate(expected):
        rows = slice(2 * place, 2 * place + 2)
        torch.testing.assert_close(found[rows], alone(x[rows], time[rows]), atol=1e-5, rtol=1e-5)
        bank.activate([mixes[place]])
        torch.testing.assert_close(block(x[rows], time[rows]), found[rows], atol=1e-5, rtol=1e-5)
    bank.activate([])
    assert torch.equal(block(x, time), plain(x, time))


def test_a_dora_is_as_the_bank_of_the_trainings_has_it(block: Block) -> None:
    own = tensors_of(block, 4, 4, ALL, dora=True)
    other = AdapterBank({"unet": copy.deepcopy(block)})
    other.add("a", {f"unet.{key}": tensor for key, tensor in own.items()})
    other.activate({"a": 0.6})
    bank = SlotBank(block)
    bank.activate([((bank.fit(own), 0.6),)])
    x, time = torch.randn(2, 4, 8, 8, generator=seeded(1)), torch.randn(2, 6, generator=seeded(2))
    torch.testing.assert_close(block(x, time), other._parts["unet"](x, time), atol=1e-5, rtol=1e-5)


def test_names_stay_and_a_training_wraps_the_same_layers(block: Block) -> None:
    names = list(block.state_dict())
    slots = SlotBank(block)
    assert list(block.state_dict()) == names
    x, time = torch.randn(1, 4, 8, 8, generator=seeded(1)), torch.randn(1, 6, generator=seeded(2))
    mix: Mix = ((slots.fit(tensors_of(block, 1, 3, ALL)), 1.0),)
    slots.activate([mix])
    with_slots = block(x, time)
    trainings = AdapterBank({"unet": block})
    trainings.add_trainable("t", "unet", rank=2, lora_alpha=2, target_modules=("to_q",), seed=1)
    assert torch.equal(block(x, time), with_slots)  # one after the other leaves both as they were
    trainings.remove("t")
    assert torch.equal(block(x, time), with_slots)


def test_a_copy_is_free_of_what_is_active(block: Block) -> None:
    plain = copy.deepcopy(block)
    slots = SlotBank(block)
    copied = copy.deepcopy(block)
    slots.activate([((slots.fit(tensors_of(block, 1, 3, ALL)), 1.0),)])
    x, time = torch.randn(1, 4, 8, 8, generator=seeded(1)), torch.randn(1, 6, generator=seeded(2))
    assert torch.equal(copied(x, time), plain(x, time))
    assert not torch.equal(block(x, time), plain(x, time))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nowhere.lora_A.weight": torch.ones(1, 8), "nowhere.lora_B.weight": torch.ones(8, 1)}, "no layer 'nowhere'"),
        ({"to_q.lora_A.weight": torch.ones(1, 7), "to_q.lora_B.weight": torch.ones(8, 1)}, "does not fit"),
        ({"to_q.lora_A.weight": torch.ones(1, 8), "to_q.lora_B.weight": torch.ones(9, 1)}, "does not fit"),
        ({"to_q.lora_A.weight": torch.ones(1, 8)}, "to_q"),
        ({"to_q.hada_w1_a": torch.ones(1, 8)}, "no tensor of an adapter"),
    ],
)
def test_what_does_not_fit_is_refused(block: Block, change: Tensors, words: str) -> None:
    bank = SlotBank(block)
    with pytest.raises(BadAdapterFile, match=words):
        bank.fit(change)


def test_batches_that_take_turns_are_laid_out_once_each(block: Block) -> None:
    bank = SlotBank(block)
    mixes: list[list[Mix]] = [[((bank.fit(tensors_of(block, seed, 3, ALL)), 1.0),)] for seed in range(3)]
    bank.activate(mixes[0])
    down = bank._layers["to_q"].slots
    bank.activate(mixes[1])
    assert bank._layers["to_q"].slots is not down
    bank.activate(mixes[0])
    assert bank._layers["to_q"].slots is down
