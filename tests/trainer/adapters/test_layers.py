"""Our way through a layer with adapters gives what peft's gives."""

from __future__ import annotations

import pytest
import torch
from peft.tuners.lora import LoraLayer

from trainer.adapters.bank import AdapterBank


class Layers(torch.nn.Module):
    """One of each kind that carries adapters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.point = torch.nn.Conv2d(8, 6, 1)
        self.linear = torch.nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.point(self.conv(x)).permute(0, 2, 3, 1))


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_outputs_and_gradients_are_those_of_peft(
    memory_format: torch.memory_format, dtype: torch.dtype, dora: bool
) -> None:
    torch.manual_seed(0)
    model = Layers().to(dtype=dtype, memory_format=memory_format).requires_grad_(False)
    bank = AdapterBank({"unet": model})
    parameters = [
        parameter
        for name in ("one", "two")
        for parameter in bank.add_trainable(
            name, "unet", rank=4, lora_alpha=2, target_modules=("conv", "point", "linear"), seed=1, dora=dora
        )
    ]
    with torch.no_grad():
        for parameter in parameters:
            parameter += 0.1 * torch.randn_like(parameter)
    bank.activate({"one": 0.7, "two": -0.4})
    x = torch.randn(2, 3, 8, 8).to(dtype=dtype, memory_format=memory_format)

    def run() -> list[torch.Tensor]:
        for parameter in parameters:
            parameter.grad = None
        output = model(x)
        output.float().square().sum().backward()
        return [output.detach(), *(p.grad for p in parameters if p.grad is not None)]

    ours = run()
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            del layer.forward
    theirs = run()
    assert len(ours) == len(theirs) == 1 + len(parameters)
    tolerance = 1e-5 if dtype is torch.float32 else 5e-2
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, atol=tolerance * float(other.abs().max()), rtol=0)
