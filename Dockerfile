# syntax=docker/dockerfile:1
# The commands for CPUs, with Python and nothing else; see docs/install.md.
FROM python:3.12-slim AS build
WORKDIR /acm-jax/source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /acm-jax/wheels .

FROM python:3.12-slim
# Extras to install, in brackets: --build-arg EXTRAS=[demo,onnx]
ARG EXTRAS=
COPY --from=build /acm-jax/wheels /acm-jax/wheels
RUN pip install --no-cache-dir "$(echo /acm-jax/wheels/*.whl)$EXTRAS"
# The home of whichever user runs the commands. Compiled programs are kept in
# its cache.
ENV HOME=/acm-jax/home
RUN install --directory --mode=1777 /acm-jax/home /acm-jax/home/.cache
VOLUME /acm-jax/home/.cache
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["acm-jax"]
CMD ["--help"]
