# The environment of requirements.lock with the project in /opt/regbench. docs/scale-out.md, Images.
#   docker build --tag regbench .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" regbench \
#       snakemake --snakefile /opt/regbench/Snakefile --cores all --configfile my.yaml
# For a GPU: --build-arg TORCH_INDEX=<PyTorch's index for your CUDA>, and `docker run --gpus all`.
FROM python:3.11-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# A user without a home needs a place for caches.
ENV HOME=/tmp PYTHONUNBUFFERED=1 REGBENCH_ROOT=/opt/regbench REGBENCH_WORK=/work
WORKDIR /opt/regbench
# First the packages: a change of the project does not install them again.
COPY requirements.lock ./
COPY tools/install_image.sh tools/
RUN bash tools/install_image.sh packages
COPY . .
RUN bash tools/install_image.sh project
WORKDIR /work
CMD ["regbench", "--help"]
