"""Tags: which adapters a prompt brings in.

A network tag is A1111's: ``<lora:name>``, ``<lora:name:weight>``, ``<lora:name:unet:te>`` or
``<lora:name:te=0.5:unet=0.8>``; ``lyco`` is another word for ``lora``, as there. Another member's adapter is written
``<lora:ada/thnos:0.8>``. ``<ti:name>`` is the house's own, for textual inversions. Any other ``<kind:…>`` is taken out
without a word, as A1111 does with kinds that it doesn't know.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainer.contract.prompt.errors import MAX_NETWORKS, MAX_WEIGHT, PromptError, short

# A1111 takes `<lora:>` for text; here it is a tag, so that its lack of a name is told
TAG = re.compile(r"<(?P<kind>\w+):(?P<arguments>[^<>]+|(?<=<lora:)|(?<=<lyco:)|(?<=<ti:))>", re.IGNORECASE)
_COMMENT = re.compile(r"#[^\n]*")
KINDS = {"lora": "lora", "lyco": "lora", "ti": "ti"}


@dataclass(frozen=True)
class Network:
    """One adapter: ``weight`` acts on the UNet, ``te_weight`` on the text encoder where it differs."""

    kind: str
    name: str
    weight: float
    te_weight: float | None = None


def strip_comments(prompt: str) -> str:
    """Without what stands behind a ``#``, to the end of its line: A1111 since 1.7, wherever in the line it is."""
    return _COMMENT.sub("", prompt)


def take_tags_out(prompt: str) -> str:
    """The text without its tags, and with nothing in their places, as A1111 has it."""
    return TAG.sub("", prompt)


def read_tags(prompt: str, most: int = MAX_NETWORKS) -> tuple[tuple[Network, ...], tuple[str, ...]]:
    """The networks of a prompt in their order, and what was ignored, a sentence each. Raises :class:`PromptError`.

    What is repeated is one network, and the last of its weights counts as often as it stands there: A1111 keeps one
    object a name, sets its weight at each tag, and adds it to the model once a tag.
    """
    read: list[Network] = []
    ignored: list[str] = []
    for match in TAG.finditer(prompt):
        if match["kind"].lower() in KINDS:
            network, unused = read_tag(match)
            read.append(network)
            ignored += [f"`{short(argument)}` in `{short(match[0])}` was ignored." for argument in unused]
        else:
            ignored.append(f"`{short(match[0])}` was ignored: adapters are brought in by <lora:name:0.8>.")
    if len(read) > most:
        raise PromptError(f"{len(read)} adapters in one prompt; at most {most}, so take some out")
    networks, repeats = _add_up(read)
    return networks, tuple(dict.fromkeys((*ignored, *repeats)))


def read_tag(match: re.Match[str]) -> tuple[Network, list[str]]:
    """One tag of a known kind, and those of its arguments that say nothing here. Raises :class:`PromptError`."""
    name, *rest = (argument.strip() for argument in match["arguments"].split(":"))
    if not name:
        raise PromptError(f"`{short(match[0])}` names no adapter; write <lora:name:0.8>")
    named = {key.strip(): value.strip() for key, _, value in (text.partition("=") for text in rest if "=" in text)}
    positional = [text for text in rest if "=" not in text]
    if len(positional) > 2:
        raise PromptError(f"`{short(match[0])}` has {len(positional)} weights; write <lora:{short(name)}:0.8>")
    weights = [_read_weight(text, match[0], name) for text in positional]
    te, unet = (_read_weight(named[key], match[0], name) if key in named else None for key in ("te", "unet"))
    unused = [text for text in rest if "=" in text and text.partition("=")[0].strip() not in ("te", "unet")]
    weight, te_weight = _spread(weights, te, unet)
    kind = KINDS[match["kind"].lower()]
    return Network(kind, name, weight, None if te_weight == weight and len(weights) < 2 else te_weight), unused


def _spread(weights: Sequence[float], te: float | None, unet: float | None) -> tuple[float, float]:
    """What acts on the UNet and on the text encoder.

    A weight alone is that of both, and what names the text encoder's alone says the UNet's, too, as in A1111. Two
    without names are the UNet's and the text encoder's, in this order, where A1111 has the other one.
    """
    first = weights[0] if weights else 1.0
    if len(weights) == 2:
        return first if unet is None else unet, weights[1] if te is None else te
    te_weight = first if te is None else te
    return te_weight if unet is None else unet, te_weight


def _add_up(networks: Sequence[Network]) -> tuple[tuple[Network, ...], list[str]]:
    """Each LoRA once."""
    last = {(network.kind, network.name): network for network in networks}
    counts = {key: sum((network.kind, network.name) == key for network in networks) for key in last}
    added: dict[tuple[str, str], Network] = {}
    notes: list[str] = []
    for key, network in last.items():
        count = counts[key]
        added[key] = network
        if count > 1 and network.kind == "lora":
            te_weight = None if network.te_weight is None else network.te_weight * count
            added[key] = replace(network, weight=network.weight * count, te_weight=te_weight)
            notes.append(
                f"`{short(network.name)}` stands there {count} times, so its last weight counts {count} times:"
                f" {added[key].weight:g}."
            )
            _check_sum(added[key])
    return tuple(added.values()), notes


def _check_sum(network: Network) -> None:
    for weight in (network.weight, network.te_weight or 0.0):
        if abs(weight) > MAX_WEIGHT:
            raise PromptError(
                f"the tags of `{short(network.name)}` add up to the weight {weight:g}; at most {MAX_WEIGHT:g}, so write"
                " one of them"
            )


def _read_weight(text: str, tag: str, name: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and abs(weight) <= MAX_WEIGHT):
        raise PromptError(
            f"`{short(tag)}` has the weight {short(text) or 'nothing'}; use a number from -{MAX_WEIGHT:g} to "
            f"{MAX_WEIGHT:g}, for example <lora:{short(name)}:0.8>"
        )
    return weight
