# A worker, with torch. For a machine without a GPU:
#   docker build -f docker/worker.Dockerfile --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
# The default build of torch brings CUDA's libraries; the host needs NVIDIA's driver and container toolkit alone.
FROM python:3.11-slim AS build
ARG TORCH_INDEX=
COPY requirements.lock /src/
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir \
    ${TORCH_INDEX:+--index-url "$TORCH_INDEX" --extra-index-url https://pypi.org/simple} \
    "$(grep '^torch==' /src/requirements.lock)"
COPY pyproject.toml README.md LICENSE /src/
COPY bot/__init__.py /src/bot/__init__.py
COPY common /src/common
COPY trainer /src/trainer
RUN /venv/bin/pip install --no-cache-dir --constraint /src/requirements.lock '/src[trainer]'

FROM python:3.11-slim
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin darkroom \
    && install -d -o darkroom -g darkroom /data /blobs
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HF_HOME=/data/hub \
    DARKROOM_DATA=/data DARKROOM_BLOBS=/blobs DARKROOM_METRICS_PORT=9100 DARKROOM_METRICS_HOST=0.0.0.0
USER darkroom
WORKDIR /data
HEALTHCHECK --interval=10s --timeout=6s --start-period=300s --retries=3 CMD ["python", "-m", "common.health"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "trainer"]
