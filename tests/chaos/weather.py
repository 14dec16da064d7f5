"""A Discord in bad weather: some requests are limited, some fail, and some take effect though their answer is lost."""

from __future__ import annotations

import random

from sandbox.faults import Fault, Faults

LIMITED, FAILING, LOST = 0.10, 0.10, 0.15  # shares of requests
_CALM = r"/gateway|/applications|/users/@me|/oauth2"  # what a process needs once to start is left alone


class Weather(Faults):
    """Faults by chance, from a seed; those that were added by hand come first."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self.calm = False

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that happens to this request."""
        found = super().take(method, path)
        if found is not None or self.calm or any(word in path for word in _CALM.split("|")):
            return found
        chance = self._random.random()
        if chance < LIMITED:
            return Fault(method, "", status=429, retry_after_s=0.2)
        if chance < LIMITED + FAILING:
            return Fault(method, "", status=503)
        if chance < LIMITED + FAILING + LOST:
            return Fault(method, "", cut=True, before="answer")
        return None
