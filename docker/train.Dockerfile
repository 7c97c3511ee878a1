# Training. For the CPU build of torch, TORCH_INDEX is the address that pytorch.org gives for it;
# without it, pip takes the CUDA build, which is 3 GB larger.
#
#   docker build -f docker/train.Dockerfile --build-arg TORCH_INDEX=ADDRESS -t londi-train .
#   docker run --rm -v "$PWD/runs:/runs" --user "$(id -u)" londi-train demo --out /runs/demo
ARG PYTHON=3.11
FROM python:${PYTHON}-slim
ARG TORCH_INDEX=""
WORKDIR /londi
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
# torch alone from that address; its other requirements come with the second command.
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir --no-deps -c constraints.txt --index-url "$TORCH_INDEX" torch; \
    fi \
    && pip install --no-cache-dir -c constraints.txt '.[train,scienceworld,redis,postgres,log]' \
    && useradd --uid 10001 londi && install -d -m 1777 /runs
ENV HOME=/runs
USER 10001
WORKDIR /runs
ENTRYPOINT ["londi"]
CMD ["--help"]
