# One image, every role by its command (docs/docker.md). No `# syntax=` line: it would need a registry at each build.
# The only place that names the base. Pinned by its digest: python:3.13-slim@sha256:... (docs/docker.md says how).
ARG BASE=python:3.13-slim

FROM $BASE AS wheels
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_HTTP_TIMEOUT=120 UV_HTTP_RETRIES=5 \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/uv.txt requirements/
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --progress-bar off --no-cache-dir --require-hashes -r requirements/uv.txt
COPY requirements/serve.txt requirements/panel.txt requirements/
COPY container/install.sh container/trim.py container/
# Two environments: `serve` has no scikit-learn, pandas or MLflow, so nothing in it could train or unpickle.
RUN --mount=type=cache,target=/root/.cache/uv sh container/install.sh serve && sh container/install.sh panel \
    && python container/trim.py /opt/env/serve /opt/env/panel

# Lists what is in both environments, for whoever looks for a vulnerable package; the tool itself stays here.
FROM wheels AS sbom
COPY requirements/sbom.txt requirements/
RUN --mount=type=cache,target=/root/.cache/uv sh container/install.sh sbom && mkdir /sbom \
    && for name in serve panel; do \
    /opt/env/sbom/bin/cyclonedx-py environment "/opt/env/$name/bin/python" --no-validate --output-reproducible --output-file "/sbom/$name.cdx.json" || exit 1; done

FROM $BASE AS source
WORKDIR /srv
COPY app app
COPY pipeline pipeline
COPY templates templates
COPY static static
COPY container/entrypoint.py container/health.sh container/
RUN python -m compileall -q --invalidation-mode unchecked-hash app pipeline container

FROM $BASE
# Any uid may run this image: no home is written, no name is looked up.
ENV PYTHONPATH=/srv PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/panel/bin:$PATH \
    HOME=/tmp USER=panel LOGNAME=panel MPLCONFIGDIR=/tmp/matplotlib TZ=UTC \
    ORT_DISABLE_TELEMETRY=1 MLFLOW_DISABLE_TELEMETRY=true \
    ML_PIPELINE_DATA=/data ML_PIPELINE_STATE=/state ML_PIPELINE_MODELS=/models
WORKDIR /srv
# One COPY for both: their common files are one file with two names, in one layer.
COPY --from=wheels /opt/env /opt
COPY --from=source /srv /srv
COPY --from=sbom /sbom /srv/sbom
COPY container/ml-pipeline /usr/local/bin/ml-pipeline
ENTRYPOINT ["/opt/panel/bin/python", "/srv/container/entrypoint.py"]
CMD ["python", "-m", "app.panel"]
# For `docker run`; Compose and the panel bring checks of their own. Asks whatever the container's command serves.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["bash", "/srv/container/health.sh"]
# Last, and empty unless given: the same sources make the same image, and a build of another day replaces no service.
ARG BASE
ARG BASE_DIGEST=""
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="automated-ml-pipeline" \
    org.opencontainers.image.description="One control panel that keeps a machine-learning model trained, tracked, served and fresh." \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.base.name="$BASE" \
    org.opencontainers.image.base.digest="$BASE_DIGEST" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.created="$CREATED"
