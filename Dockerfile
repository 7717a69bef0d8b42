# Smart Sensor without its tools: docs/deployment.md says how to run it.
#
# The tag names one release of Python on one release of Debian, but a tag can be moved. Whoever
# builds for others adds the digest (`python:...@sha256:...`), which we could not look up.
FROM python:3.13.15-slim-trixie AS base


FROM base AS build
WORKDIR /src
# What we depend on changes less often than the project: it is a layer of its own.
COPY requirements_build.lock requirements_runtime.lock ./
COPY tools/install.sh tools/
RUN --mount=type=cache,target=/root/.cache tools/install.sh /opt/smart-sensor requirements
# .dockerignore lets in what the wheel is built from, and nothing else.
COPY . .
RUN tools/install.sh /opt/smart-sensor project


FROM base
LABEL org.opencontainers.image.title="Smart Sensor" \
      org.opencontainers.image.description="Sensor data pipeline and live dashboard for test rigs" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
# A new volume takes over owner and mode of this folder.
RUN groupadd --system --gid 10001 smart-sensor \
    && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin smart-sensor \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /opt/smart-sensor /opt/smart-sensor
# Bytecode is there already, output is not held back, and the current folder is no place for code.
ENV PATH=/opt/smart-sensor/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONSAFEPATH=1 \
    SMART_SENSOR_HOME=/data \
    HOST=0.0.0.0 \
    PORT=8000
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-BIS", "-c", "import http.client, os, sys; server = http.client.HTTPConnection('localhost', int(os.environ['PORT']), timeout=4); server.request('GET', '/api/health'); sys.exit(server.getresponse().status != 200)"]
CMD ["smart-sensor", "serve"]
