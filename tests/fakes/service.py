"""A tiny HTTP server that plays a service, and on request a bad one: `service.py HOST PORT [--how=value ...]`."""

import argparse
import http.server
import os
import signal
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
    http.server.ThreadingHTTPServer((args.host, args.port), Handler).serve_forever()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _die(after_s: float) -> None:
    time.sleep(after_s)
    say("the last words")
    os._exit(7)


if __name__ == "__main__":
    main()
