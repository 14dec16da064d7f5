"""`python -m common.health`: exits 0 while the process whose metrics stand at DARKROOM_METRICS_PORT is alive.

A process that answers but whose event loop hangs is not: the loop has to have turned a moment ago.
"""

from __future__ import annotations

import os
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

STALE_AFTER_S = 20.0
_TURNED = "darkroom_loop_turned_timestamp_seconds"


def why_ill(port: int, now: float) -> str | None:
    """What is wrong with the process behind that port of this machine; None: nothing."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except (URLError, OSError) as error:
        return f"nothing answers on port {port} ({error})"
    turned = next((each.samples[0].value for each in text_string_to_metric_families(text) if each.name == _TURNED), 0.0)
    if now - turned > STALE_AFTER_S:
        return f"the event loop turned {now - turned:.0f} s ago for the last time"
    return None


def main() -> int:
    """The exit code that Docker's HEALTHCHECK wants; the reason goes to stderr."""
    port = os.environ.get("DARKROOM_METRICS_PORT", "")
    reason = why_ill(int(port), time.time()) if port.isdecimal() else "DARKROOM_METRICS_PORT is not set"
    if reason is not None:
        print(reason, file=sys.stderr)
    return 0 if reason is None else 1


if __name__ == "__main__":
    sys.exit(main())
