"""By what B·A is multiplied where no ``alpha`` stands beside it: peft's configuration, which diffusers writes too.

``save_lora_weights`` of diffusers ≥ 0.34 puts it into the header as JSON under ``lora_adapter_metadata``, each key with
its part in front; older files and other programs have none, and mean 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from trainer.errors import BadAdapterFile

_KEY = "lora_adapter_metadata"


class PeftScales:
    """What a file's metadata say of its scales. Raises :class:`BadAdapterFile` where they say it unreadably."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        try:
            config = json.loads(metadata.get(_KEY, "{}"))
        except (ValueError, RecursionError) as error:
            raise BadAdapterFile(f"its {_KEY} is no JSON") from error
        self._config = config if isinstance(config, dict) else {}

    def scale(self, part: str, module: str, rank: int) -> float:
        """Alpha over rank, or over its root with rsLoRA (Kalajdzievski 2023); 1 where nothing is said."""
        alpha = self._alpha(part, module)
        if alpha is None or not rank:
            return 1.0
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
            raise BadAdapterFile(f"its {_KEY} gives {part}.{module[:80]} an alpha that is no number")
        return alpha / (math.sqrt(rank) if self._get(part, "use_rslora") is True else rank)

    def _alpha(self, part: str, module: str) -> object:
        """Of the module's pattern, or of all. A pattern is a name's end here, as peft writes it, not any expression."""
        patterns = self._get(part, "alpha_pattern")
        for pattern, alpha in patterns.items() if isinstance(patterns, dict) else ():
            name = pattern.removeprefix("^").removesuffix("$").replace("\\.", ".").removeprefix("text_model.")
            if module == name or module.endswith(f".{name}"):
                return alpha
        return self._get(part, "lora_alpha")

    def _get(self, part: str, name: str) -> object:
        return self._config.get(f"{part}.{name}", self._config.get(name))
