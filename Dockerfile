# tagpulse on CPUs: docker build -t tagpulse .
# With CUDA (several GB larger): docker build --build-arg EXTRAS=postgres,torch -t tagpulse:cuda .
ARG PYTHON_IMAGE=python:3.13.14-slim

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS build
# extras to install: see [project.optional-dependencies] in pyproject.toml
ARG EXTRAS=postgres
WORKDIR /src
RUN python -m venv /opt/tagpulse
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY streams ./streams
COPY models ./models
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/tagpulse/bin/pip install --disable-pip-version-check --constraint constraints.txt ".[${EXTRAS}]" \
    && /opt/tagpulse/bin/python -m compileall -q /opt/tagpulse/lib

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="tagpulse" \
      org.opencontainers.image.description="Watch the mood of a live hashtag" \
      org.opencontainers.image.licenses="Apache-2.0"
# a new volume takes the owner of the folder that it is mounted on
RUN groupadd --system --gid 10001 tagpulse \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin tagpulse \
    && install --directory --mode=0700 --owner=tagpulse --group=tagpulse /var/lib/tagpulse/lake /var/lib/tagpulse/state
COPY --from=build /opt/tagpulse /opt/tagpulse
ENV PATH=/opt/tagpulse/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TAGPULSE_LAKE__PATH=/var/lib/tagpulse/lake \
    TAGPULSE_LOG__FORMAT=json \
    TAGPULSE_METRICS__HOST=0.0.0.0 \
    TAGPULSE_METRICS__PORT=9808 \
    TAGPULSE_PRODUCE__STATE_PATH=/var/lib/tagpulse/state
WORKDIR /var/lib/tagpulse
USER 10001:10001
EXPOSE 9808
# liveness rather than readiness: a process that waits for Kafka is healthy
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9808/healthz', timeout=4)"]
ENTRYPOINT ["tagpulse"]
CMD ["--help"]
