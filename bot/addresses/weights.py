"""What a page's words recommend as an adapter's weight: ``Recommended weight: 0.6 - 0.8``, ``strength of 0.7``."""

from __future__ import annotations

import re

from bot.addresses.page import plain_text

_LEAST, _MOST = 0.05, 2.0
_NUMBER = r"(?<![\d.])([012](?:[.,]\d{1,2})?|[.]\d{1,2})(?![\d.]*\d)"
_WORD = re.compile(r"\b(?:weights?|strengths?)\b", re.IGNORECASE)
_AFTER = re.compile(rf"[^\d.;\n]{{0,40}}?{_NUMBER}(?:\s*(?:-|–|—|~|to|and)\s*{_NUMBER})?(?!\s*%)")


def recommended_weights(text: str) -> tuple[float, float, float] | None:
    """From, best, to, as the first sentence of ``text`` (HTML or plain) that tells a weight has it; else None.

    Of a range, its middle is the best; of one number, 0.2 to both sides is still good.
    """
    plain = plain_text(text)
    for word in _WORD.finditer(plain):
        if found := _AFTER.match(plain, word.end()):
            numbers = [float(number.replace(",", ".")) for number in found.groups() if number]
            if all(_LEAST <= number <= _MOST for number in numbers):
                return around(min(numbers), max(numbers))
    return None


def around(low: float, high: float) -> tuple[float, float, float]:
    """From, best, to, of the ends of a range, or of one number given as both."""
    best = round((low + high) / 2, 2)
    if low == high:
        low, high = max(_LEAST, best - 0.2), min(_MOST, best + 0.2)
    return round(low, 2), best, round(high, 2)
