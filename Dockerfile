# The web page and its HTTP API in a container:
#   docker build -t twinshot .
#   docker run -p 8765:8765 -e TWINSHOT_TOKEN=... twinshot
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[web]" \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin twinshot
USER 10001
WORKDIR /home/twinshot
ENV PYTHONUNBUFFERED=1
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8765/healthz', timeout=4)"]
# Other machines reach it, so it starts only with TWINSHOT_TOKEN.
ENTRYPOINT ["twinshot", "serve", "--host", "0.0.0.0"]
