# For a GPU:  docker build --tag logan .
#             docker run --rm --gpus all --user "$(id -u)" --volume "$PWD:/work" logan train --data photos.zip --preset images64
# For a CPU:  docker build --tag logan:cpu --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

# Where torch comes from: PyPI's build is for CUDA; PyTorch's own index has others, for CPUs alone among them.
ARG TORCH=2.13.0
ARG TORCH_INDEX=https://pypi.org/simple
ARG EXTRAS=detector,demo,hub,onnx,analysis

# What works is written to /work, whoever runs it; the cache too, since a user of another number has no home.
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    LOGAN_CACHE=/tmp/logan

RUN pip install "torch==${TORCH}" --index-url "${TORCH_INDEX}" --extra-index-url https://pypi.org/simple

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# hadolint ignore=DL3013
RUN pip install ".[${EXTRAS}]" && logan --version

RUN useradd --create-home --uid 1000 logan && mkdir /work && chown logan:logan /work
USER 1000
WORKDIR /work
ENTRYPOINT ["logan"]
CMD ["--help"]
