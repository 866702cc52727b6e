"""Runs beside a server under check, and is not checked itself: the backend that
a proxy or web server passes slow requests to, on DIR/backend.sock, or, with a
command, what stands in front of the server. It outlives the process PID, ends
when that has ended, and removes DIR.

    beside.py PID DIR [COMMAND...]
"""

import ctypes
import http.server
import os
import select
import shutil
import signal
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "proxy"

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        last = int(urllib.parse.parse_qs(url.query).get("ms", ["1500"])[0]) / 1000
        answer = {"/": self.root, "/slow": self.slow, "/stream": self.stream, "/events": self.events}
        answer.get(url.path, self.none)(last)

    def root(self, _):
        self.answer("hello\n")

    def slow(self, last):
        time.sleep(last)
        self.answer("slow\n")

    def stream(self, last):
        self.begin("text/plain")
        end = time.monotonic() + last
        while time.monotonic() < end:
            self.chunk("line\n")
            time.sleep(0.05)
        self.chunk("end\n")
        self.chunk("")

    def events(self, _):
        self.begin("text/event-stream")
        n = 0
        while True:  # until the proxy hangs up
            n += 1
            self.chunk(f"id: {n}\ndata: tick\n\n")
            time.sleep(0.05)

    def none(self, _):
        self.answer("no such path\n", 404)

    def do_POST(self):
        length = 0
        for piece in self.body():
            length += len(piece)
        self.answer(f"{length}\n")

    def body(self):
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, text, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def begin(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("X-Accel-Buffering", "no")  # nginx: pass it on as it comes
        self.end_headers()

    def chunk(self, text):
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())
        self.wfile.flush()


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        pass  # a client that has gone is none


def die_with_parent():
    """A check kills whatever it can find; nginx overwrites what it is found by."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main():
    pid, folder, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    server = os.pidfd_open(pid)
    try:
        if command:
            front = subprocess.Popen(command, preexec_fn=die_with_parent)
            select.select([server], [], [])
            front.send_signal(signal.SIGQUIT)  # nginx: gracefully
            front.wait()
        else:
            path = folder + "/backend"
            with Server(path, Backend) as backend:
                os.chmod(path, 0o666)  # for the server's workers, which are not root
                os.rename(path, path + ".sock")  # there once it can be connected to
                threading.Thread(target=backend.serve_forever, daemon=True).start()
                select.select([server], [], [])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
