"""What an adapter's file holds, checked byte for byte, and a copy of it without what is private. In the child alone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from bot.errors import UserError, quoted
from bot.importing import notes, strangers, values
from bot.importing.found import Asked, Found
from trainer.contract.adapter_headers import AdapterIdentity, identify
from trainer.contract.adapter_keys import other_algorithm, split_key
from trainer.contract.adapter_marks import CONTEXT_WIDTHS, TITLES, split_bundled
from trainer.contract.adapter_metadata import public_metadata
from trainer.contract.adapter_places import Place, find_places
from trainer.contract.adapter_shapes import Misshapen, check_layer
from trainer.contract.safetensors_header import BadHeader, Entries, header_length, parse_header, write_header

LONGEST_KEY = 256
MOST_LAYERS = 4_000  # SDXL has 1,300 that an adapter can change
MOST_VECTORS = 75  # more than one chunk of a prompt can't hold
MOST_ALPHA = 1e5  # of what is divided by a rank: people write 1 to 1,280
SNIFFED_BYTES = 64 * 1024
COPIED_BYTES = 1024 * 1024
ANOTHER = "download it anew, or ask its maker for another file"


def inspect(asked: Asked) -> Found:
    """What is in the file; a copy of it as it may be kept lies at ``asked.kept`` then.

    Raises UserError, one sentence with the way out: for anything but an adapter that can be drawn with.
    """
    path, shown = Path(asked.path), quoted(asked.filename)
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        try:
            entries, metadata, start = _read_header(file, size_bytes, shown)
            _check_names(entries)
            found = _look(entries, metadata, asked.widths)
            alphas = _check_values(file, entries, start)
            _check_alphas(entries, alphas)
        except BadHeader as error:
            why = str(error).replace("`", "'").replace("@", "@\u200b")  # it quotes the file
            raise UserError(f"{shown} is damaged, or was made to do harm ({why}): {ANOTHER}.") from error
        except _Unfit as error:
            raise UserError(f"{shown} {error.what}: {error.way_out}.") from error
        kept_bytes = _write_copy(file, start, entries, metadata, Path(asked.kept))
    return notes.with_notes(found, metadata, size_bytes=kept_bytes)


class _Unfit(Exception):
    """The file is sound, and no adapter that can be used. ``what`` follows its name."""

    def __init__(self, what: str, way_out: str = ANOTHER) -> None:
        super().__init__(what)
        self.what, self.way_out = what, way_out


# -- the file ---------------------------------------------------------------------------------------------------------


def _read_header(file: BinaryIO, size_bytes: int, shown: str) -> tuple[Entries, dict[str, str], int]:
    """The checked header, and where the tensors begin. Raises :class:`BadHeader`, or what the file is instead."""
    first = file.read(SNIFFED_BYTES)
    if other := strangers.what_else(first):
        raise _Unfit(f"is {other[0]}", other[1])
    length = header_length(first, size_bytes)
    file.seek(0)
    text = file.read(8 + length)
    if text[8:9] != b"{":
        raise _Unfit("is no safetensors file", "send the adapter's .safetensors file itself")
    entries, metadata = parse_header(text[8:], size_bytes - 8 - length)
    if other_kind := strangers.is_two_files(text, file, size_bytes):
        raise BadHeader(f"it is {other_kind} as well")
    return entries, metadata, 8 + length


def _check_names(entries: Entries) -> None:
    """Tensors' names are words with dots between, whatever language a trigger is in: no path, nothing invisible."""
    for name in entries:
        if not name or len(name) > LONGEST_KEY:
            raise BadHeader(f"a tensor's name has {len(name):,} characters; 1 to {LONGEST_KEY} are allowed")
        if not name.isprintable() or set(name) & set("/\\") or ".." in name:
            raise BadHeader(f"the tensor {name[:80]!a} has a name that is a path or can't be shown")


def _check_values(file: BinaryIO, entries: Entries, start: int) -> dict[str, float]:
    """Every value finite; the alphas by their keys. Raises :class:`BadHeader` and :class:`_Unfit`."""
    alphas = {}
    for name, entry in sorted(entries.items(), key=lambda pair: pair[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        if entry["dtype"] not in values.FLOATING and math.prod(entry["shape"]) > 1:
            raise _Unfit(f"holds whole numbers where an adapter has weights ({quoted(name)})")
        file.seek(start + begin)
        if not values.is_finite(file, entry["dtype"], start + stop):
            raise BadHeader(f"the tensor {name[:80]!r} holds a value that is not finite")
        if name.endswith((".alpha", ".scalar")) and stop > begin:
            file.seek(start + begin)
            alphas[name] = values.read_number(file.read(stop - begin), entry["dtype"])
    return alphas


def _check_alphas(entries: Entries, alphas: dict[str, float]) -> None:
    """LyCORIS writes any alpha beside two whole matrices, where it means nothing."""
    for name, alpha in alphas.items():
        head = name.rpartition(".")[0]
        whole = f"{head}.lokr_w1" in entries and f"{head}.lokr_w2" in entries
        if abs(alpha) > MOST_ALPHA and not whole:
            raise _Unfit(
                f"gives {quoted(name)} the value {alpha:g}, and {MOST_ALPHA:,.0f} is the most that makes sense"
            )


def _write_copy(file: BinaryIO, start: int, entries: Entries, metadata: dict[str, str], kept: Path) -> int:
    """The same tensors behind a header that tells nothing private; how many bytes that is."""
    file.seek(start)
    with kept.open("wb") as copy:
        copy.write(write_header(entries, public_metadata(metadata)))
        while piece := file.read(COPIED_BYTES):
            copy.write(piece)
        return copy.tell()


# -- the adapter ------------------------------------------------------------------------------------------------------


def _look(entries: Entries, metadata: dict[str, str], widths: Sequence[int]) -> Found:
    """What the header promises. Raises :class:`_Unfit`."""
    layers = len({split[0] for name in entries if (split := split_key(name))})
    if layers > MOST_LAYERS:  # each costs time to know
        raise _Unfit(f"changes {layers:,} layers, and no model here has more than {MOST_LAYERS:,}")
    identity = identify(entries, public_metadata(metadata))  # what it says of its base may be a path
    if kind := next((kind for name in entries if (kind := other_algorithm(name))), None):
        raise _Unfit(
            f"is of the kind {kind}, whose change depends on the weights that it was trained on",
            "ask its maker for a LoRA, or merge it into its base model and extract one with kohya's tools",
        )
    _check_model(identity, next(iter(entries), ""))
    width = identity.context_width
    if width is not None and width not in CONTEXT_WIDTHS and width not in widths:
        raise _Unfit(f"was made for a model of {width:,} channels, and none here is so wide")
    shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
    if identity.kind == "textual_inversion":
        return _look_at_vectors(identity, shapes)
    return _look_at_layers(identity, shapes)


def _check_model(identity: AdapterIdentity, first: str) -> None:
    if identity.kind == "checkpoint":
        raise _Unfit(
            "is a whole model and no adapter", "whoever runs this bot can add it with `darkroom models add`"
        )  # fmt: skip
    if identity.kind == "unknown":
        raise _Unfit(f"is no adapter for Stable Diffusion (it holds {quoted(first) if first else 'nothing'})", ANOTHER)
    if not identity.families:
        raise _Unfit(
            f"was made for {identity.made_for}",
            f"only {', '.join(TITLES.values())} draw here, so look for one that was made for one of these",
        )


def _look_at_vectors(identity: AdapterIdentity, shapes: dict[str, tuple[int, ...]]) -> Found:
    counts = {shape[0] if len(shape) > 1 else 1 for shape in shapes.values()}
    if len(counts) > 1 or not 1 <= max(counts) <= MOST_VECTORS or 0 in map(math.prod, shapes.values()):
        found = " and ".join(str(shape) for shape in shapes.values())
        raise _Unfit(f"holds vectors of the shape {found}, and 1 to {MOST_VECTORS} for each text encoder are read")
    return Found(identity=identity, used=len(shapes), vectors=max(counts))


def _look_at_layers(identity: AdapterIdentity, shapes: dict[str, tuple[int, ...]]) -> Found:
    """A LoRA and its kin: every key an adapter's, every layer whole, and most of them known."""
    foreign = [name for name in shapes if not split_key(name) and not split_bundled(name)]
    if foreign:
        raise _Unfit(f"holds {len(foreign):,} tensors that are no adapter's, such as {quoted(foreign[0])}")
    bundled = {name for name in shapes if split_bundled(name)}
    _check_bundled({name: shapes[name] for name in bundled})
    # biases and norms: no pair of matrices moves them
    places = {name: place for name, place in find_places(shapes).items() if place.algorithm != "Norm" and not (
        place.role == "diff" and len(shapes[name]) == 1)}  # fmt: skip
    unused = [name for name in shapes if name not in places and name not in bundled]
    if not places or len(unused) > len(shapes) / 2:
        raise _Unfit(
            f"has {len(unused):,} of {len(shapes):,} keys for layers that no base here has, such as {quoted(unused[0])}"
        )
    ranks = _check_layers(places, shapes)
    return Found(
        identity=identity, used=len(shapes) - len(unused), unused=tuple(unused[:5]), ranks=(min(ranks), max(ranks))
    )


def _check_layers(places: dict[str, Place], shapes: dict[str, tuple[int, ...]]) -> list[int]:
    """The ranks of all layers. Raises :class:`_Unfit` for one that can't be read."""
    layers: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    algorithms: dict[str, set[str]] = defaultdict(set)
    for name, place in places.items():
        layer = f"{place.part}.{place.module}"
        algorithms[layer] |= {place.algorithm} - {""}
        if place.role in layers[layer] or len(algorithms[layer]) > 1:
            raise _Unfit(f"gives the layer {quoted(layer, 80)} twice")
        layers[layer][place.role] = shapes[name]
    ranks = []
    for layer, found in layers.items():
        try:
            ranks.append(check_layer(next(iter(algorithms[layer]), "LoRA"), found))
        except Misshapen as error:
            raise _Unfit(f"can't be read, for its layer {quoted(layer, 80)} {error}") from error
    return ranks


def _check_bundled(shapes: dict[str, tuple[int, ...]]) -> None:
    """Vectors of words that a LoRA brings."""
    for name, shape in shapes.items():
        if not 1 <= len(shape) <= 2 or not math.prod(shape) or (len(shape) == 2 and shape[0] > MOST_VECTORS):
            raise _Unfit(f"holds vectors of the shape {shape} in {quoted(name)}, and 1 to {MOST_VECTORS} are read")
