"""The colours of cards, shared by bot and worker, for both write to the same card in turn. 0xRRGGBB."""

from __future__ import annotations

WAITING = 0x8A8F98
WORKING = 0xE0A03B
DONE = 0x46A76F
FAILED = 0xD0433B
STOPPED = 0x8A8F98
