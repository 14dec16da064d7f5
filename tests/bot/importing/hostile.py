"""Files that nobody should open, by name: made by hand, and by seeds out of a sound one.

Each is one fault. ``BOMBS`` are those that cost a careless reader seconds or gigabytes; ``hostile_files`` gives all.
"""

from __future__ import annotations

import io
import json
import pickle
import random
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

MB = 1024 * 1024
MOST = 8 * MB  # of a header
Q = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
K = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}
Shapes = dict[str, tuple[str, list[int]]]  # by name: type and shape


def framed(text: bytes, body: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + body


def header_of(shapes: Shapes, metadata: dict[str, str] | None = None) -> tuple[dict[str, Any], int]:
    """The header of tensors one behind the other, and how many bytes they take."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    place = 0
    for name, (dtype, shape) in shapes.items():
        stop = place + int(np.prod(shape, dtype=int)) * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, stop]}
        place = stop
    return header, place


def written(shapes: Shapes, metadata: dict[str, str] | None = None, fill: bytes = b"\x11") -> bytes:
    """A file of these tensors, every byte of them the same."""
    header, size = header_of(shapes, metadata)
    return framed(json.dumps(header).encode(), fill * size)


def lora(head: str = Q, out: int = 320, inputs: int = 320, rank: int = 4, dtype: str = "F16") -> Shapes:
    return {
        f"{head}.lora_down.weight": (dtype, [rank, inputs]),
        f"{head}.lora_up.weight": (dtype, [out, rank]),
        f"{head}.alpha": (dtype, []),
    }


SOUND = lora() | lora(K, 1280, 768)


def _bombs() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Headers of 8 MB, and such as say that they are larger."""

    def of(unit: bytes, before: bytes, after: bytes) -> Callable[[], bytes]:
        return lambda: framed(before + b",".join([unit] * ((MOST - 64) // (len(unit) + 1))) + after)

    for name, unit in {
        "lists": b"[]",
        "objects": b"{}",
        "numbers": b"1",
        "fractions": b"1.5",
        "texts": b'"a"',
        "truths": b"true",
        "pairs": b'{"a":1}',
        "deep": b"[[[[[[[[1]]]]]]]]",
    }.items():
        yield f"8 MB of {name}", of(unit, b'{"a":[', b"]}")
    for name, unit in {"offsets": b"[0,0]", "shapes": b"0"}.items():
        yield f"8 MB of {name} of a tensor", of(unit, b'{"a":{"dtype":"F32","data_offsets":[0,0],"shape":[', b"]}}")
    yield "8 MB of one name", lambda: framed(b'{"' + b"a" * (MOST - 64) + b'":{}}')
    yield "8 MB of one note", lambda: framed(b'{"__metadata__":{"a":"' + b"a" * (MOST - 64) + b'"}}')
    yield "8 MB of escapes", lambda: framed(b'{"__metadata__":{"a":"' + rb"\u0041" * (MOST // 6 - 64) + b'"}}')
    yield "8 MB of brackets", lambda: framed(b'{"a":' + b"[" * (MOST - 64))
    yield "8 MB of braces", lambda: framed(b"{" * MOST)
    yield "8 MB of blanks", lambda: framed(b"{" + b" " * (MOST - 64) + b"}")
    yield "8 MB of digits", lambda: framed(b'{"a":' + b"9" * (MOST - 64) + b"}")
    yield "a header above 8 MB", lambda: framed(b"{" + b" " * MOST + b"}")
    entry = b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    for count in (1_000_000, 100_000):
        yield f"{count:,} tensors", lambda count=count: framed(b"{" + b",".join(entry % n for n in range(count)) + b"}")
    yield "20,001 tensors", lambda: written({f"{Q}.{n}.alpha": ("F16", []) for n in range(20_001)})
    yield "20,000 tensors that nobody knows", lambda: written({f"{n}.alpha": ("F16", []) for n in range(20_000)})
    yield (
        "20,000 long names of layers",
        lambda: written({f"{K}_{n:05}{'_attn2_to_k' * 14}.lora_down.weight": ("F16", [0]) for n in range(20_000)}),
    )
    yield "99 MB of metadata", lambda: framed(b'{"__metadata__":{"a":"' + b"a" * 99 * MB + b'"}}')
    yield (
        "a million metadata",
        lambda: framed(b'{"__metadata__":{' + b",".join(b'"%06d":""' % n for n in range(700_000)) + b"}}"),
    )
    yield "1,001 metadata", lambda: written(SOUND, {str(n): "" for n in range(1_001)})


BOMBS: dict[str, Callable[[], bytes]] = dict(_bombs())


def _lengths() -> Iterator[tuple[str, bytes]]:
    for length in (0, 1, 2**16, 2**31 - 1, 2**32, 2**63, 2**64 - 1):
        yield f"a length of {length}", length.to_bytes(8, "little") + b'{"a":{}}'
    sound = written(SOUND)
    for size in (0, 1, 7, 8, 9, 64, *range(300, len(sound), len(sound) // 14)):
        yield f"cut at {size}", sound[:size]
    for size in (1, 2, 7, 8, 512, 4096):
        yield f"{size} bytes behind the end", sound + b"\x11" * size
        yield f"{size} bytes are missing in front", sound[size:]


def _headers() -> Iterator[tuple[str, bytes]]:
    header, size = header_of(SOUND)
    text, body = json.dumps(header), b"\x11" * size
    name = f"{Q}.lora_down.weight"
    begin, stop = header[name]["data_offsets"]

    def changed(**values: object) -> bytes:
        return framed(json.dumps(header | {name: header[name] | values}).encode(), body)

    for offsets in (
        [begin, stop + 2],
        [begin + 2, stop],
        [-2, stop - 2],
        [stop, begin],
        [0, 2**63],
        [0.0, stop],
        ["0", stop],
        [begin],
        [begin, stop, stop],
        [],
        None,
        [False, stop],
        [begin, 1e999],
        [begin + 2, stop + 2],
    ):
        yield f"offsets {offsets}", changed(data_offsets=offsets)
    for shape in (
        [4, 321],
        [-4, -320],
        [4.0, 320],
        [2**62, 4],
        [2**32, 2**32],
        [4, 320, 0],
        "4",
        None,
        [[4, 320]],
        [True, 1280],
        [1] * 9,
        [4, None],
        {"4": 320},
    ):
        yield f"shape {shape}", changed(shape=shape)
    for dtype in ("F12", "C64", "f16", "PICKLE", "", None, 16, ["F16"], "object", "U128", "F8_E4M3FNUZ"):
        yield f"type {dtype}", changed(dtype=dtype)
    yield "a fourth field", changed(pickle="gASVAA==")
    shifted, place = dict(header), 0
    for key, entry in header.items():  # two tensors share bytes, and as much is left at the end
        place = max(0, place - 16)
        length = entry["data_offsets"][1] - entry["data_offsets"][0]
        shifted[key] = entry | {"data_offsets": [place, place + length]}
        place += length
    yield "overlapping tensors", framed(json.dumps(shifted).encode(), body)
    holed = {
        key: entry | {"data_offsets": [n + 2 * (n > 0) for n in entry["data_offsets"]]} for key, entry in header.items()
    }
    yield "a hole", framed(json.dumps(holed).encode(), body + b"\x11\x11")
    yield (
        "all tensors in the same place",
        framed(
            json.dumps(
                {f"{Q}.{n}.alpha": {"dtype": "F16", "shape": [], "data_offsets": [0, 2]} for n in "ab"}
            ).encode(),
            b"\x11\x11",
        ),
    )
    entry = json.dumps(header[name])
    yield "a name twice", framed(f'{text[:-1]}, "{name}": {entry}}}'.encode(), body)
    yield "a name twice, once escaped", framed(f'{text[:-1]}, "\\u006c{name[1:]}": {entry}}}'.encode(), body)
    yield "metadata twice", framed(('{"__metadata__": {}, "__metadata__": {}, ' + text[1:]).encode(), body)
    yield "a field twice", framed(text.replace('"shape"', '"dtype": "F32", "shape"', 1).encode(), body)
    for notes in ({"a": 1}, {"a": None}, {"a": {"b": "c"}}, {"a": ["b"]}, [], "notes", 5, None):
        yield f"metadata {notes}", framed(json.dumps({"__metadata__": notes} | header).encode(), body)
    yield "half a character in the metadata", framed(b'{"__metadata__": {"a": "\\ud83d"}, ' + text[1:].encode(), body)
    yield "half a character in a name", framed(text.replace("attn1", "attn1\\udc00").encode(), body)
    for name_of, encoded in {
        "UTF-16": text.encode("utf-16"),
        "UTF-32": text.encode("utf-32"),
        "a mark before it": b"\xef\xbb\xbf" + text.encode(),
        "bytes that are no text": text.encode().replace(b"attn1", b"attn\xff"),
    }.items():
        yield f"a header in {name_of}", framed(encoded, body)
    for odd in (
        b"[]",
        b"{}",
        b"null",
        b"5",
        b'"text"',
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": 1,}',
        b'{"a"}',
        b"{,}",
        text.encode() + b"{}",
        text[:-1].encode(),
        b"\0" * 64,
    ):
        yield f"a header {odd[:12]!r} {len(odd)}", framed(odd, body if len(odd) > 64 else b"")


def _names() -> Iterator[tuple[str, bytes]]:
    for name in (
        "../../etc/passwd",
        "..\\..\\windows\\system32",
        "/etc/passwd",
        "C:\\autoexec.bat",
        "a/b",
        "a..b",
        "a\0b",
        "a\nb",
        "a\x1b[2Jb",
        "\u202egpj.exe",
        "a\u200bb",
        "\ufeffa",
        "a\u2066b",
        "",
        "x" * 257,
        "a\x7fb",
        "~/.ssh/id_rsa",
        "%2e%2e/%2e%2e/etc/passwd",
        "file:///etc/passwd",
        "a\u2028b",
    ):
        for end in (".lora_down.weight", ".alpha") if name else ("",):
            yield f"the name {name[:30]!r}{end}", written(SOUND | {f"{name}{end}": ("F16", [1])})


def _values() -> Iterator[tuple[str, bytes]]:
    bad = {
        "F64": [np.float64(v).tobytes() for v in (np.nan, np.inf, -np.inf)],
        "F32": [np.float32(v).tobytes() for v in (np.nan, np.inf, -np.inf)] + [b"\x01\x00\x80\x7f"],
        "F16": [np.float16(v).tobytes() for v in (np.nan, np.inf, -np.inf)],
        "BF16": [b"\xc0\x7f", b"\x80\x7f", b"\x80\xff"],
        "F8_E5M2": [b"\x7e", b"\x7c", b"\xfc"],
        "F8_E4M3": [b"\x7f", b"\xff"],
    }
    for dtype, values in bad.items():
        shapes = lora(dtype=dtype) | lora(K, 1280, 768, dtype=dtype)
        data = bytearray(written(shapes))
        start = 8 + int.from_bytes(data[:8], "little")
        for value in values:
            for where, place in (("first", start), ("last", len(data) - len(value))):
                yield f"{dtype} {value.hex()} {where}", bytes(data[:place] + value + data[place + len(value) :])
    for dtype in ("I64", "I32", "U8", "BOOL"):
        yield f"weights in {dtype}", written(lora(dtype=dtype), fill=b"\x01")
    yield "a truth that is neither", written(SOUND | {f"{Q}.scalar": ("BOOL", [])}, fill=b"\x02")


class _Runs:
    """What a pickle file does when it is opened: whatever its maker likes."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit('opened')",)


def _strangers() -> Iterator[tuple[str, bytes]]:
    for protocol in range(6):
        yield f"a pickle of protocol {protocol}", pickle.dumps({"state_dict": {}}, protocol)
        yield f"a pickle of protocol {protocol} that runs", pickle.dumps(_Runs(), protocol)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(_Runs()))
        archive.writestr("archive/version", "3")
    yield "what torch.save writes", packed.getvalue()
    once = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    yield "what torch.save once wrote", once + pickle.dumps({}, 2)
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    yield "a tar", tape.getvalue()
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("../../x.safetensors", written(SOUND))
    yield "a zip", plain.getvalue()
    for name, comment in {"": b"", " with a comment": b"a comment"}.items():
        end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 0, 0, 0, 0, len(comment)) + comment
        data = written(SOUND)
        yield f"a zip's end{name} in the last tensor", data[: -len(end)] + end
        yield f"a zip's end{name} behind the last tensor", data + end
        whole = plain.getvalue()[:-2] + struct.pack("<H", len(comment)) + comment
        if len(whole) % 2:
            whole = b"\x11" + whole
        header, size = header_of(SOUND | {f"{Q}.diff": ("F16", [len(whole) // 2])})
        body = b"\x11" * (size - len(whole)) + whole
        yield f"a whole zip{name} as a tensor", framed(json.dumps(header).encode(), body)
    # its length reads as U, a text of 28 bytes: what is left of the length, and the header up to "N."
    header, size = header_of(SOUND, {"a": "N."})
    text = json.dumps(header, separators=(",", ":")).encode()
    assert text.index(b"N.") == 28 - 6
    yield "a pickle that swallows the length", framed(text.ljust(0x1C55), b"\x11" * size)
    for name, data in {
        "a GGUF file": b"GGUF\x03\0\0\0" + bytes(64),
        "a NumPy file": b"\x93NUMPY\x01\0v\0" + bytes(128),
        "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(64),
        "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "a JPEG": b"\xff\xd8\xff\xe0" + bytes(64),
        "a program": b"MZ" + bytes(64),
        "another program": b"\x7fELF" + bytes(64),
        "a script": b"#!/bin/sh\nrm -rf /\n",
        "a web page": b"<!DOCTYPE html><title>Sign in</title>",
        "an answer in JSON": b'{"error": "Unauthorized"}',
        "a pointer of git-lfs": b"version https://git-lfs.github.com/spec/v1\n",
        "a RAR": b"Rar!\x1a\x07\0" + bytes(64),
        "a 7z": b"7z\xbc\xaf\x27\x1c" + bytes(64),
        "a gzip": b"\x1f\x8b\x08" + bytes(64),
        "a text": b"dear diary\n" * 100,
        "zeros": bytes(4096),
        "noise": random.Random(5).randbytes(4096),
        "a PDF": b"%PDF-1.7",
    }.items():
        yield name, data


def _no_adapters() -> Iterator[tuple[str, bytes]]:
    down, up = f"{Q}.lora_down.weight", f"{Q}.lora_up.weight"

    def ones(**shapes: list[int]) -> bytes:
        return written({f"{Q}.{name.replace('__', '.')}": ("F16", shape) for name, shape in shapes.items()})

    yield "a matrix without the other", written({down: ("F16", [4, 320])})
    yield "the other without it", written({up: ("F16", [320, 4])})
    yield "two ranks", written({down: ("F16", [4, 320]), up: ("F16", [320, 8])})
    yield "no rank", written({down: ("F16", [0, 320]), up: ("F16", [320, 0])})
    yield "a rank of 1,281", written(lora(rank=1281))
    yield "one side", written({down: ("F16", [320]), up: ("F16", [320])})
    yield "five sides", written({down: ("F16", [4, 320, 1, 1, 1]), up: ("F16", [320, 4])})
    yield "an alpha of two", written(lora() | {f"{Q}.alpha": ("F16", [2])})
    yield "an alpha without end", written(lora(dtype="F32"), fill=b"\x7e")
    yield "a change larger than any layer", ones(lokr_w1=[600, 600], lokr_w2=[16, 16])
    yield "a LoHa of three", ones(hada_w1_a=[320, 4], hada_w1_b=[4, 320], hada_w2_a=[320, 4])
    yield "a LoHa of two sizes", ones(hada_w1_a=[320, 4], hada_w1_b=[4, 320], hada_w2_a=[64, 4], hada_w2_b=[4, 320])
    yield "a LoKr of one", ones(lokr_w1=[8, 8])
    pair = {"lora_down__weight": [4, 320], "lora_up__weight": [320, 4]}
    yield "a core that does not meet", ones(**pair, lora_mid__weight=[5, 5, 3, 3])
    yield "a layer given twice", ones(**pair, diff=[320, 320])
    yield "magnitudes for other outputs", ones(**pair, dora_scale=[77, 1])
    for mark in ("a1.weight", "on_input", "oft_blocks", "boft_R", "lora_E", "vera_lambda_b", "fourierft_spectrum"):
        yield f"what depends on the base: {mark}", written({f"{Q}.{mark}": ("F16", [4, 320])})
    for name, key in {
        "Flux": "lora_unet_double_blocks_0_img_attn_qkv",
        "Stable Diffusion 3": "diffusion_model.joint_blocks.0.x_block.attn.qkv",
        "Wan": "diffusion_model.blocks.0.self_attn.q",
        "a language model": "base_model.model.model.layers.0.self_attn.q_proj",
        "AnimateDiff": "down_blocks.0.motion_modules.0.to_q",
        "a ControlNet": "lora_controlnet_down_blocks_0_attentions_0",
        "nothing that is known": "foo.bar",
        "the refiner": "lora_unet_middle_block_1_transformer_blocks_3_attn2_to_k",
    }.items():
        yield f"an adapter of {name}", written(lora(key, inputs=1280 if name == "the refiner" else 64))
    yield "an adapter of a width that nobody has", written(lora(K, 1280, 777))
    yield "a whole model", written({"model.diffusion_model.input_blocks.0.0.weight": ("F16", [320, 4, 3, 3])})
    part = {"down_blocks.0.resnets.0.conv1.weight": ("F16", [4, 4]), "conv_in.bias": ("F16", [4])}
    yield "one part of a model", written(part)
    yield "an adapter with a stowaway", written(SOUND | {"payload": ("F16", [1000])})
    yield "an adapter with a stowaway in bytes", written(SOUND | {"payload.bin": ("U8", [1000])})
    unknown = {name: tensor for n in range(9) for name, tensor in lora(f"lora_unet_x_{n}").items()}
    yield "layers that no base has", written(SOUND | unknown)
    yield "vectors of no width", written({"emb_params": ("F32", [4, 33])})
    yield "too many vectors", written({"emb_params": ("F32", [76, 768])})
    yield "no vectors", written({"emb_params": ("F32", [0, 768])})
    yield "vectors of two lengths", written({"clip_l": ("F32", [4, 768]), "clip_g": ("F32", [5, 1280])})
    yield "vectors of three sides", written({"emb_params": ("F32", [1, 4, 768])})
    yield "bundled vectors without end", written(SOUND | {"bundle_emb.thnos.emb_params": ("F32", [76, 768])})


def _mutations() -> Iterator[tuple[str, bytes]]:
    """A sound file with one thing changed, so that it is sound no more."""
    sound = written(SOUND, {"ss_network_dim": "4"})
    start = 8 + int.from_bytes(sound[:8], "little")
    text = sound[8:start].decode()
    for seed in range(12):
        rng = random.Random(seed)
        at = rng.choice([found.start() for found in re.finditer(r"[{}\[\]:,]", text)])
        broken = text[:at] + rng.choice("{}[]:,".replace(text[at], "")) + text[at + 1 :]
        number = rng.choice(list(re.finditer(r"(?<=[\[ ])\d+(?=[\],])", text)))
        value = str(int(number[0]) + rng.choice([1, 3, 17, 1000]))
        counted = text[: number.start()] + value + text[number.end() :]
        letters = re.finditer(r'"lora_unet_\w*?(\w)\w*?\.lora_(?:up|down)', text)
        at = rng.choice([found.start(1) for found in letters])
        renamed = text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]
        for what, changed in {"brackets": broken, "a number": counted, "a name": renamed}.items():
            yield f"mutation {seed} of {what}", framed(changed.encode(), sound[start:])
        place, count = rng.randrange(start, len(sound) - 64), rng.randrange(1, 64)
        yield f"mutation {seed}: {count} bytes lost", sound[:place] + sound[place + count :]
        yield f"mutation {seed}: {count} bytes more", sound[:place] + rng.randbytes(count) + sound[place:]
        length = rng.choice([length for length in range(2, 2 * start) if length != start - 8])
        yield f"mutation {seed} of the length", length.to_bytes(8, "little") + sound[8:]


def hostile_files() -> dict[str, bytes]:
    """All but :data:`BOMBS`, by what is wrong with them."""
    parts = (_lengths, _headers, _names, _values, _strangers, _no_adapters, _mutations)
    found = [pair for part in parts for pair in part()]
    assert len(dict(found)) == len(found), "two of a name"
    return dict(found)
