# A gateway, without torch. The settings lie in a folder that is mounted, with `listen: 0.0.0.0:8080`
# and the keys of clients; so do the ledger, the traces and the Switcher.
#
#   docker build -f docker/serve.Dockerfile -t londi-serve .
#   docker run --rm -v "$PWD/data:/data" --user "$(id -u)" londi-serve pull me/switcher --out /data/switcher
#   docker run --rm -v "$PWD/data:/data" --user "$(id -u)" -p 8080:8080 londi-serve
ARG PYTHON=3.11
FROM python:${PYTHON}-slim
WORKDIR /londi
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt '.[serve,redis,traces,hub]' \
    && useradd --uid 10001 londi && install -d -m 1777 /data
ENV HOME=/data
USER 10001
WORKDIR /data
EXPOSE 8080
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=5)"]
ENTRYPOINT ["londi"]
CMD ["serve", "--config", "/data/serve.yaml"]
