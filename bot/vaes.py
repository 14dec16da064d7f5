"""VAEs by the names that members and other programs give them. Pure."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from bot.errors import quoted
from bot.orders import ImagineOrder, Shot
from trainer.contract.events import BaseInfo

AnyShot = TypeVar("AnyShot", bound=Shot)

_ENDINGS = (".safetensors", ".ckpt", ".pt")  # A1111 writes the file's whole name


def settle(order: ImagineOrder, base: BaseInfo | None) -> ImagineOrder:
    """The order with each VAE by the name that the base's workers know it by.

    One that is not there draws nothing, as the name of a model that is not there; then the order says so.
    """
    if base is None:
        return order
    unknown = [shot.settings.vae for shot in order.pictures if shot.settings.vae and not find(shot.settings.vae, base)]
    settled = _settle(order, base)
    return msgspec.structs.replace(
        settled,
        shots=tuple(_settle(shot, base) for shot in order.shots),
        ignored=order.ignored + tuple(_say(name, base) for name in dict.fromkeys(unknown)),
    )


def find(written: str, base: BaseInfo) -> str | None:
    """The VAE that is meant, in any case and with a file's ending or without; None: it is not there."""
    whole = written.strip().lower()
    wanted = {whole, *(whole.removesuffix(ending) for ending in _ENDINGS)}
    return next((name for name in base.vaes if name.lower() in wanted), None)


def _settle(shot: AnyShot, base: BaseInfo) -> AnyShot:
    if shot.settings.vae is None:
        return shot
    settings = msgspec.structs.replace(shot.settings, vae=find(shot.settings.vae, base))
    return msgspec.structs.replace(shot, settings=settings)


def _say(name: str, base: BaseInfo) -> str:
    there = f"there are {', '.join(map(quoted, base.vaes))}" if base.vaes else "there is no other"
    return f"`{base.name}` has no VAE {quoted(name)}, so its own is used; {there}."
