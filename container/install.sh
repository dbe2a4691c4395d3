#!/bin/sh
# install.sh NAME: the virtual environment /opt/env/NAME (at home in /opt/NAME) from the hashes in requirements/NAME.txt, wheels only.
set -eu
# uv reads no pip.conf: a mirror or a private authority that the base image names there must hold for it as well.
index=${PIP_INDEX_URL:-$(pip config get global.index-url 2>/dev/null || true)}
authority=${SSL_CERT_FILE:-$(pip config get global.cert 2>/dev/null || true)}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
[ -z "$authority" ] || export SSL_CERT_FILE="$authority"
echo "Installing requirements/$1.txt: large packages are named as they arrive; then their bytecode is compiled, about a minute"
/opt/uv/bin/uv venv --relocatable --python "$(command -v python)" "/opt/env/$1"
/opt/uv/bin/uv pip install --python "/opt/env/$1/bin/python" --only-binary :all: --require-hashes -r "requirements/$1.txt"
