"""What a worker tells Prometheus: what it said of its attempts, posts, and lives of its engine."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

SAID = Counter("darkroom_worker_events", "What it told the bot of its attempts", ["event"])
RUNNING = Gauge("darkroom_worker_running", "Attempts in its hands", ["lane"])
ENGINE_STARTS = Counter("darkroom_worker_engine_starts", "How often its engine was started")
POSTS = Counter("darkroom_worker_posts", "Cards and results sent to Discord", ["kind", "end"])
