# The base image comes by digest, from whoever builds; there is no default, so that nobody ships an unpinned one:
#   docker build --build-arg PYTHON_IMAGE=docker.io/library/python:3.13-slim@sha256:… -t ext-authz-sidecar .
ARG PYTHON_IMAGE

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements/ requirements/
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && python -m venv --without-pip /opt/sidecar \
    && /opt/build/bin/pip --python /opt/sidecar/bin/python install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY sidecar/ sidecar/
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/build/bin/pip --python /opt/sidecar/bin/python install --no-cache-dir --no-deps /wheels/*.whl \
    && install -d -o 65532 -g 65532 -m 0750 /layout/run/sidecar

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="ext-authz-sidecar" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/sidecar /opt/sidecar
# What is copied is a folder's content: the owner of the socket's folder stays only if it lies inside what is copied.
COPY --from=build /layout/ /
# Nothing is written outside /run/sidecar (the check socket), so the root file system can be read-only.
ENV PATH=/opt/sidecar/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
# Liveness only: a sidecar that is not ready must not be restarted for it. Kubernetes uses its own probes instead (docs/how-to/kubernetes.md).
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["python", "-c", "import sys, urllib.request as r; sys.exit(r.urlopen('http://127.0.0.1:9193/livez', timeout=2).status != 200)"]
ENTRYPOINT ["sidecar"]
CMD ["serve", "--config", "/etc/sidecar"]
