"""A registry on this machine that holds one image, for references by digest: the engine looks those up nowhere else."""

import hashlib
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


@contextmanager
def registry_with(image: str) -> Iterator[str]:
    """Yield `127.0.0.1:PORT/base@sha256:...`, a reference to the local image; nothing can be pushed."""
    blobs, manifest = _contents(image)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def _answer(self, *, with_body: bool) -> None:
            name = self.path.rsplit("/", 1)[-1]
            body = b"{}" if self.path == "/v2/" else blobs.get(name)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.send_header("Content-Type", MANIFEST if name == manifest else "application/octet-stream")
            if body is not None and name in blobs:
                self.send_header("Docker-Content-Digest", name)
            self.end_headers()
            if with_body and body is not None:
                self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}/base@{manifest}"
        finally:
            server.shutdown()
            thread.join()


def _contents(image: str) -> tuple[dict[str, bytes], str]:
    """Return the blobs of the image by their digests, and the digest of its manifest."""
    saved = subprocess.run(["docker", "save", image], capture_output=True, check=True, timeout=120).stdout
    blobs: dict[str, bytes] = {}

    def stored(content: bytes, kind: str) -> dict[str, str | int]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        blobs[digest] = content
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:

        def member(name: str) -> bytes:
            file = archive.extractfile(name)
            assert file is not None
            return file.read()

        (entry,) = json.loads(member("manifest.json"))
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": stored(member(entry["Config"]), CONFIG),
            "layers": [stored(member(layer), LAYER) for layer in entry["Layers"]],
        }
    return blobs, str(stored(json.dumps(manifest).encode(), MANIFEST)["digest"])
