# The gateway as an image: `docker build -t pms-gateway .`
FROM python:3.11-slim AS build
WORKDIR /srv/pms-gateway
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The dependencies first: they change less often than the code, and their layer is the dear one.
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY app ./app
RUN pip install --no-deps --no-build-isolation -e .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent gateway
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/pms-gateway
COPY --from=build /opt/venv /opt/venv
# The code reads its migrations and its ledger beside itself, so it stays where it was installed from.
COPY --from=build /srv/pms-gateway ./
COPY migrations ./migrations
COPY capability_matrix.yaml ./
USER 10001
EXPOSE 8000
# Waits for running requests, at most 65 s: give it more (`docker stop --time 70`, `stop_grace_period`).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
CMD ["pms-gateway", "serve", "--host", "0.0.0.0", "--port", "8000"]
