# elsa on the CPU: docker build -t elsa . && docker run --rm -v "$PWD:/sounds" elsa describe /sounds/recording.wav
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /elsa
COPY pyproject.toml requirements.lock Makefile README.md LICENSE NOTICE ./
COPY src src
# torch's CPU build: the default one brings gigabytes of CUDA libraries. Behind mirrors: --build-arg TORCH_INDEX=URL
# --build-arg PIP_INDEX_URL=URL
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG PIP_INDEX_URL=https://pypi.org/simple
RUN make env PYTHON=python3 TORCH_INDEX="$TORCH_INDEX" && rm -rf /root/.cache
ENV PATH=/elsa/.venv/bin:$PATH MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --create-home listener
USER listener
WORKDIR /sounds
ENTRYPOINT ["elsa"]
CMD ["--help"]
