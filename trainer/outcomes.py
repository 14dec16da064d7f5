"""Making a result durable: its files first, then what lists them."""

from __future__ import annotations

from pathlib import Path

from trainer import messages
from trainer.contract.blobs import Blobs
from trainer.contract.events import AdapterResult, Candidate, Outcome, OutputFile
from trainer.contract.requests import MergeRequest, Request, TrainRequest

GRID = "grid.png"


async def store_outcome(
    blobs: Blobs, request: Request, result: messages.Drawn | messages.Trained | messages.Merged, now: float
) -> Outcome:
    """Make the result durable: files first, then what lists them."""
    if isinstance(result, messages.Drawn):
        pictures = await _store_pictures(blobs, request, result.pictures)
        return Outcome(
            job_id=request.job_id, attempt=request.attempt, committed_at=now, pictures=pictures,
            settings=result.settings, seconds=result.seconds,
        )  # fmt: skip
    if isinstance(result, messages.Merged):
        return await _store_merge(blobs, request, result, now)
    if not isinstance(request, TrainRequest):
        raise TypeError(f"the engine trained, but job {request.job_id} asked for something else")
    candidates = [await _store_candidate(blobs, request, candidate) for candidate in result.candidates]
    file = candidates[result.chosen].file if candidates else await _store_adapter(blobs, request, result.file)
    adapter = AdapterResult(
        adapter_id=request.adapter_id, kind=result.kind, file=file, base=request.base,
        base_hash=result.metadata["darkroom.base_hash"], trigger=request.trigger, class_word=request.class_word,
        rank=result.rank, steps=result.steps, photos=len(request.photos), seconds=result.seconds,
        final_loss=result.final_loss, trainer_version=result.metadata["darkroom.trainer"],
        method=request.recipe.method, weights=result.weights, chosen=result.chosen, fidelity=result.fidelity,
        candidates=tuple(candidates),
    )  # fmt: skip
    return Outcome(
        job_id=request.job_id, attempt=request.attempt, committed_at=now,
        pictures=await _store_pictures(blobs, request, result.examples), adapter=adapter, seconds=result.seconds,
        grid=await _store_grid(blobs, result.grid), report=result.report,
    )  # fmt: skip


async def _store_merge(blobs: Blobs, request: Request, made: messages.Merged, now: float) -> Outcome:
    if not isinstance(request, MergeRequest):
        raise TypeError(f"something was merged, but job {request.job_id} asked for something else")
    file = await _store_adapter(blobs, request, made.file)
    adapter = None
    if not request.is_export:
        adapter = AdapterResult(
            adapter_id=request.adapter_id, kind=made.kind, file=file, base=request.base, base_hash=made.base_hash,
            trigger=request.trigger, class_word=request.class_word, rank=made.rank, steps=0, photos=0,
            seconds=made.seconds, final_loss=0.0, trainer_version=made.trainer, fidelity=made.fidelity,
            weights=(1.0, 1.0, 1.0),  # as it was asked for
        )  # fmt: skip
    return Outcome(
        job_id=request.job_id, attempt=request.attempt, committed_at=now, adapter=adapter, seconds=made.seconds,
        report=made.report, export=file if request.is_export else None,
    )  # fmt: skip


async def _store_adapter(blobs: Blobs, request: TrainRequest | MergeRequest, file: messages.Spooled) -> OutputFile:
    suffix = ".zip" if file.path.endswith(".zip") else ".safetensors"
    return OutputFile(
        blob=await blobs.put_file(Path(file.path), suffix), filename=f"{request.name}{suffix}",
        content_type="application/octet-stream", size_bytes=file.size,
    )  # fmt: skip


async def _store_candidate(blobs: Blobs, request: TrainRequest, made: messages.CandidateFile) -> Candidate:
    return Candidate(
        step=made.step, file=await _store_adapter(blobs, request, made.file), weight=made.weight,
        identity=made.identity, obedience=made.obedience,
    )  # fmt: skip


async def _store_grid(blobs: Blobs, png: bytes | None) -> OutputFile | None:
    if png is None:
        return None
    blob = await blobs.put(png, ".png")
    return OutputFile(blob=blob, filename=GRID, content_type="image/png", size_bytes=len(png))


async def _store_pictures(
    blobs: Blobs, request: Request, pictures: tuple[messages.PictureFile, ...]
) -> tuple[OutputFile, ...]:
    name = request.name if isinstance(request, TrainRequest) else "darkroom"
    return tuple(
        [
            OutputFile(
                blob=await blobs.put(picture.png, ".png"), filename=f"{name}-{picture.seed}-{place}.png",
                content_type="image/png", size_bytes=len(picture.png), width=picture.width, height=picture.height,
                seed=picture.seed, parameters=picture.parameters, explicit=picture.explicit,
            )
            for place, picture in enumerate(pictures, 1)
        ]
    )  # fmt: skip
