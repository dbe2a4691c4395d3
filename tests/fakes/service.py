"""A tiny HTTP server that plays a service, and on request a bad one: `service.py HOST PORT [--how=value ...]`."""

import argparse
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    never_ready = False

    def do_GET(self) -> None:
        body = b"ok"
        self.send_response(503 if self.never_ready else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--slow-start", type=float, default=0.0)
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--dies-after", type=float)
    parser.add_argument("--slow-to-stop", action="store_true")
    parser.add_argument("--child-pid-file", type=Path)
    parser.add_argument("--group-pid-file", type=Path)
    args = parser.parse_args()
    say(f"service of {os.environ.get('ROLE', '?')} begins")
    if args.slow_to_stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A worker in a session of its own, or in the group of the service, as a server might start it.
    for file, is_apart in ((args.child_pid_file, True), (args.group_pid_file, False)):
        if file is not None:
            work = [sys.executable, "-c", "import time; time.sleep(600)"]
            file.write_text(str(subprocess.Popen(work, start_new_session=is_apart).pid))
    if args.dies_after is not None:
        threading.Thread(target=_die, args=(args.dies_after,), daemon=True).start()
    time.sleep(args.slow_start)
    Handler.never_ready = args.never_ready
    if keeper := os.environ.get("ML_PIPELINE_PORT_KEEPER"):
        serve_kept(keeper)
    http.server.ThreadingHTTPServer.allow_reuse_port = "ML_PIPELINE_REPLACES" in os.environ
    server = http.server.ThreadingHTTPServer((args.host, args.port), Handler)
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # for its successor
    server.serve_forever()


def serve_kept(keeper: str) -> None:
    """Serve at the port of the keeper as well, also of the next one, and end on TERM when all is answered."""
    servers: list[http.server.HTTPServer] = []
    is_taken = threading.Event()

    def follow() -> None:
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(keeper)
                    _, (fd, *_), _, _ = socket.recv_fds(connection, 1, 1)
                    server = http.server.ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
                    server.daemon_threads = False
                    server.socket.close()
                    server.socket = socket.socket(fileno=fd)
                    server.socket.setblocking(False)
                    servers.append(server)
                    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
                    is_taken.set()
                    connection.recv(1)
                    server.shutdown()
                    server.server_close()
            except OSError:
                time.sleep(0.05)

    def end(*_: object) -> None:
        threading.Thread(target=finish).start()

    def finish() -> None:
        for server in servers:
            server.shutdown()
        time.sleep(0.2)  # a fake: what it has accepted is answered by then
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=follow, daemon=True).start()
    is_taken.wait()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _die(after_s: float) -> None:
    time.sleep(after_s)
    say("the last words")
    os._exit(7)


if __name__ == "__main__":
    main()
