"""A pickle's tensors as a .safetensors file, in a child of its own: `python -m trainer.models.converting`.

torch's unpickler of weights alone is used, which makes tensors and nothing else; what asks for more is refused. The
child has limits of memory, time and what it writes, can start nothing and connect to nothing once it has begun, and
gets no secret: its environment is :func:`bot.children.ask_child`'s.
"""

from __future__ import annotations

import mmap
import os
import pickle
import re
import resource
import sys
from pathlib import Path
from typing import Any, cast

import msgspec
import torch

from trainer.adapters.safetensors_file import DTYPES, read_header, write_tensors
from trainer.contract.adapter_headers import identify
from trainer.contract.inventory import Conversion, Converted

MOST_TENSORS = 20_000  # as the header's reader has it
LONGEST_NAME = 500
SPARE_BYTES = 2 * 1024**3  # beside the tensors, with what torch takes itself
BYTES_A_CPU_S = 20_000_000
CPU_S = 60
_WHOLE = ("state_dict", "model", "module")  # under which trainers put the tensors, beside what they need themselves
_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "ctypes.")


class Unfit(Exception):
    """Why it can't be converted: goes on a sentence that begins with the file's name."""


def convert(source: Path, target: Path) -> Converted:
    """Write what is in ``source`` to ``target``, which appears whole or not at all."""
    half = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        tensors = pick_tensors(load(source))
        check_tensors(tensors, source.stat().st_size)
        with half.open("xb") as out:
            write_tensors(tensors, {}, out)
        made_for, count = _made_for(half)
        half.replace(target)
    except Unfit as error:
        return Converted(error=f"{source.name} {error}.")
    except (MemoryError, RuntimeError) as error:
        if "memory" not in str(error).lower() and not isinstance(error, MemoryError):
            raise
        return Converted(error=f"{source.name} takes more memory than its tensors can, so it was not opened further.")
    except OSError as error:
        return Converted(error=f"{target} can't be written ({error.strerror}): choose another place.")
    finally:
        half.unlink(missing_ok=True)
    return Converted("", count, target.stat().st_size, made_for)


def _made_for(path: Path) -> tuple[str, int]:
    """What a file's header says it is, and how many tensors it has."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header, metadata = read_header(cast("bytes", data))
    return identify(header, metadata).made_for, len(header)


def load(source: Path) -> Any:
    """What torch makes of the file. Raises :class:`Unfit`."""
    with source.open("rb") as file:
        first = file.read(9)
    if first[8:] == b"{":
        raise Unfit("is a .safetensors file by its content already: rename it")
    try:
        # the newer form is a zip, whose tensors are mapped rather than read
        return torch.load(source, map_location="cpu", weights_only=True, mmap=first.startswith(b"PK"))
    except pickle.UnpicklingError as error:
        raise Unfit(_why(str(error))) from error
    except MemoryError:
        raise
    except Exception as error:  # whatever its readers make of bytes that are none
        if "memory" in str(error).lower():
            raise MemoryError from error
        raise Unfit(
            "is damaged, or no file of torch's: fetch it again, or take a .safetensors version of it"
        ) from error


def _why(said: str) -> str:
    found = re.search(r"GLOBAL ([\w.]{1,120})", said)
    if found is None:
        return "holds more than tensors, or is damaged: take a .safetensors version of it"
    return (
        f"wants {found[1]} to be run when it is opened, so it was not opened: take a .safetensors version of it, or"
        " have its maker save the tensors alone"
    )


def pick_tensors(content: Any) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, a LoRA or an embedding, by name. Raises :class:`Unfit` for anything else.

    A1111's embeddings keep one tensor in ``string_to_param``, and the word beside it is the file's name.
    """
    if not isinstance(content, dict):
        raise Unfit(f"holds a {type(content).__name__} in place of named tensors: take another file")
    if isinstance(param := content.get("string_to_param"), dict):
        if len(param) != 1:
            raise Unfit(f"is an embedding of {len(param)} words, and of one each are read: take another file")
        return {"emb_params": _tensor("string_to_param", next(iter(param.values())))}
    inner = next((content[name] for name in _WHOLE if isinstance(content.get(name), dict)), content)
    if not inner or len(inner) > MOST_TENSORS:
        raise Unfit(f"holds {len(inner):,} tensors, and 1 to {MOST_TENSORS:,} are read: take another file")
    return {_name(name): _tensor(str(name), tensor) for name, tensor in inner.items()}


def _name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or name == "__metadata__":
        raise Unfit(f"has a tensor whose name is {str(name)[:60]!r}: take another file")
    return name


def _tensor(name: str, value: object) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise Unfit(f"holds a {type(value).__name__} named {name[:80]!r} among its tensors: take another file")
    return value.detach()


def check_tensors(tensors: dict[str, torch.Tensor], size_bytes: int) -> None:
    """Plain, of known types, and not more than the file can hold. Raises :class:`Unfit`."""
    total = 0
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.dtype not in DTYPES or tensor.is_meta:
            raise Unfit(f"holds {name[:80]!r} in a form that safetensors has not: take another file")
        total += tensor.numel() * tensor.itemsize
    if total > 4 * size_bytes + 2**20:  # tied weights are written twice
        raise Unfit(f"claims {total:,} bytes of tensors in a file of {size_bytes:,}: take another file")


def seal(size_bytes: int) -> None:
    """Set the limits, and shut the doors: from here on this process reads one file and writes one."""
    memory, cpu_s = SPARE_BYTES + 3 * size_bytes, CPU_S + size_bytes // BYTES_A_CPU_S
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * size_bytes + 2**24,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(refuse)


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook (PEP 578): raises :class:`Unfit` for what no reading of tensors does."""
    if event.startswith(_FORBIDDEN):
        raise Unfit(f"wanted {event} to be done while it was opened, so it was left: do not trust it")


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Conversion)
    seal(Path(asked.source).stat().st_size)
    answer = convert(Path(asked.source), Path(asked.target))
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
