# The bot: no torch, no GPU. Build from the project's folder: docker build -f docker/bot.Dockerfile .
FROM python:3.11-slim AS build
COPY pyproject.toml requirements.lock README.md LICENSE /src/
COPY bot /src/bot
COPY common /src/common
COPY migrations /src/migrations
COPY trainer/__init__.py /src/trainer/__init__.py
COPY trainer/contract /src/trainer/contract
# the lock as constraints: what the bot needs, in the tested versions, and nothing of the worker's
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --constraint /src/requirements.lock /src

FROM python:3.11-slim
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin darkroom \
    && install -d -o darkroom -g darkroom /data /blobs
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DARKROOM_DATA=/data DARKROOM_BLOBS=/blobs DARKROOM_METRICS_PORT=9100 DARKROOM_METRICS_HOST=0.0.0.0
USER darkroom
WORKDIR /data
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["python", "-m", "common.health"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "bot"]
