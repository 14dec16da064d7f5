"""Measures a photo: how sharp it is, what it looks like, and where in it the subject is.

Runs in the decoding child alone, so that numpy and OpenCV cost the bot no memory.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from bot.findings import Inspected

MEASURED_AT_PX = 512  # the longer side at which sharpness is measured; a photo that is smaller is taken as it is
FACES_AT_PX = 640
ATTENTION_AT_PX = 128
REBLUR_PX = 1.5
LEAST_GRADIENT = 8.0  # of 255 over two pixels; below it is noise and no edge
LEAST_EDGE_PIXELS = 50
LEAST_FACE_PX = 24  # of those; a smaller one is as a rule none
FACES_THAT_COUNT = 1 / 3  # of the largest's width; smaller ones are of people in the background
LEAST_CONTRAST = 2.0  # of 255

Grey = npt.NDArray[np.float32]  # (H, W)
Mask = npt.NDArray[np.bool_]  # (H, W)
Box = tuple[float, float, float, float]  # left, top, width, height
Focus = tuple[float, float]


def inspect(image: Image.Image, filename: str) -> Inspected:
    """Measure one photo, RGB or RGBA, in some 0.2 s at any size."""
    return Inspected(
        filename=filename,
        width=image.width,
        height=image.height,
        blur_px=blur_px(image),
        fingerprint=fingerprint(image),
        focus=focus(image),
    )


def _at_most(image: Image.Image, side: int) -> Image.Image:
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BOX if max(image.size) > 2 * side else Image.Resampling.LANCZOS)
    return small


def _opaque(image: Image.Image) -> Mask | None:
    return np.asarray(image.getchannel("A")) > 127 if image.mode == "RGBA" else None


def _flat(image: Image.Image) -> Image.Image:
    """Without transparency, before grey."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, (128, 128, 128))
    ground.paste(image, mask=image.getchannel("A"))
    return ground


# -- sharpness --------------------------------------------------------------------------------------------------------


def blur_px(image: Image.Image) -> float | None:
    """How blurred the sharpest edges are: the standard deviation of the Gaussian that would have made them, in pixels.

    After Zhuo & Sim, "Defocus map estimation from a single image" (2011), equations 3 to 5: blurred once more by σ₀, an
    edge's gradient falls by R = sqrt((σ² + σ₀²) / σ²). Unlike the variance of a Laplacian it asks for no contrast, so
    that soft light and a plain wall are no blur, and neither is a background out of focus behind a sharp subject.
    Edges are taken by direction, and the worst direction counts: a shaken camera leaves those along its way sharp.
    """
    small = _at_most(image, MEASURED_AT_PX)
    grey: Grey = np.asarray(_flat(small).convert("L"), np.float32)
    once = cv2.GaussianBlur(grey, (0, 0), 0.8)  # against noise
    twice = cv2.GaussianBlur(once, (0, 0), REBLUR_PX)
    across, down = cv2.Sobel(once, cv2.CV_32F, 1, 0), cv2.Sobel(once, cv2.CV_32F, 0, 1)
    gradient = np.hypot(across, down)
    blurred = np.hypot(cv2.Sobel(twice, cv2.CV_32F, 1, 0), cv2.Sobel(twice, cv2.CV_32F, 0, 1))
    strong: Mask = (gradient > np.percentile(gradient, 90)) & (gradient > LEAST_GRADIENT)
    if (opaque := _opaque(small)) is not None:  # the edge of a cut-out is sharp whatever the photo is
        strong &= cv2.erode(opaque.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    count = int(strong.sum())
    if count < LEAST_EDGE_PIXELS:
        return None
    ratio = gradient / np.maximum(blurred, 1e-3)
    direction = np.round(np.arctan2(down, across) / np.pi * 4).astype(int) % 4
    falls = [
        float(np.percentile(ratio[edges], 80))
        for edges in (strong & (direction == quarter) for quarter in range(4))
        if edges.sum() >= max(LEAST_EDGE_PIXELS, count // 12)
    ]
    fall = min(falls) if falls else float(np.percentile(ratio[strong], 80))
    return round(float(REBLUR_PX / np.sqrt(max(fall * fall - 1, 1e-3))), 2)


# -- likeness ---------------------------------------------------------------------------------------------------------


def fingerprint(image: Image.Image) -> int | None:
    """The 64-bit difference hash: whether each of 8 × 8 fields is brighter than its left neighbour."""
    fields = np.asarray(_flat(image).convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    if fields.std() < LEAST_CONTRAST:
        return None
    bits = (fields[:, 1:] > fields[:, :-1]).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


# -- focus ------------------------------------------------------------------------------------------------------------


def focus(image: Image.Image) -> Focus:
    """What a crop keeps in the middle: what was cut out, else faces, else what differs from the edges."""
    opaque = _opaque(_at_most(image, ATTENTION_AT_PX))
    if opaque is not None:
        return _centre(opaque.astype(np.float32))
    return _centre_of_faces(image) or _centre_of_attention(image)


def _centre(weights: Grey) -> Focus:
    """The centre of gravity; the middle where nothing weighs."""
    total = float(weights.sum())
    if total <= 0:
        return (0.5, 0.5)
    height, width = weights.shape
    x = float(weights.sum(axis=0) @ (np.arange(width) + 0.5)) / total / width
    y = float(weights.sum(axis=1) @ (np.arange(height) + 0.5)) / total / height
    return (round(x, 4), round(y, 4))


def _centre_of_faces(image: Image.Image) -> Focus | None:
    """The middle of all faces if a square holds them, else of the largest one; None if there is none."""
    grey = np.asarray(_at_most(image, FACES_AT_PX).convert("L"))
    height, width = grey.shape
    found = _faces(grey)
    if not found:
        return None
    largest = max(found, key=lambda box: box[2])
    faces = [box for box in found if box[2] >= FACES_THAT_COUNT * largest[2]]
    left, top = min(box[0] for box in faces), min(box[1] for box in faces)
    right, bottom = max(box[0] + box[2] for box in faces), max(box[1] + box[3] for box in faces)
    if max(right - left, bottom - top) > min(width, height):
        left, top, right, bottom = largest[0], largest[1], largest[0] + largest[2], largest[1] + largest[3]
    return (round((left + right) / 2 / width, 4), round((top + bottom) / 2 / height, 4))


def _faces(grey: cv2.typing.MatLike) -> list[Box]:
    """Faces from the front. The cascade for profiles finds few, and faces in rows of windows."""
    least = (LEAST_FACE_PX, LEAST_FACE_PX)
    found = _cascade().detectMultiScale(grey, scaleFactor=1.1, minNeighbors=6, minSize=least)
    return [(float(left), float(top), float(wide), float(high)) for left, top, wide, high in found]


@cache
def _cascade() -> cv2.CascadeClassifier:
    """The one of OpenCV's own with the fewest false faces (Viola & Jones 2001, Lienhart & Maydt 2002)."""
    cv2.setNumThreads(1)  # it shares two small machines' cores with others
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"))


def _centre_of_attention(image: Image.Image) -> Focus:
    """The centre of what is unlike the four edges of the picture, for these mostly show the background.

    The image boundary contrast of Zhang et al., "Minimum barrier salient object detection at 80 FPS" (2015), section
    3.3: each pixel's Mahalanobis distance to the colours of an edge, summed over the edges but for the one it is least
    like, for the subject may touch that one.
    """
    rgb = np.asarray(_at_most(image, ATTENTION_AT_PX).convert("RGB"))
    colours = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)  # (H, W, 3)
    rim = max(2, min(colours.shape[:2]) // 12)
    distances = []
    for edge in (colours[:rim], colours[-rim:], colours[:, :rim], colours[:, -rim:]):
        border = edge.reshape(-1, 3)
        inverse = np.linalg.inv(np.cov(border.T) + 4 * np.eye(3))  # colours less than 2 apart are the same
        offset = colours - border.mean(axis=0)
        distance = np.sqrt(np.einsum("hwi,ij,hwj->hw", offset, inverse, offset))
        distances.append(distance / max(float(distance.max()), 1e-6))
    contrast = np.sum(distances, axis=0) - np.max(distances, axis=0)
    salient = np.maximum(contrast - np.median(contrast), 0) ** 2
    return _centre(salient.astype(np.float32))
