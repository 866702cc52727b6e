"""Python's http.server with a thread for each connection. Its documentation has
no shutdown: SIGTERM is left at its default.
https://docs.python.org/3/library/http.server.html
"""

import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from answers import lines, seconds


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # else no connection outlives its answer

    def do_GET(self):
        url = urlsplit(self.path)
        duration = seconds(parse_qs(url.query).get("ms", [None])[0])
        if url.path == "/slow":
            time.sleep(duration)
            self.answer(b"slow\n")
        elif url.path == "/stream":
            self.stream(duration)
        else:
            self.answer(b"hello\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(b"%d\n" % len(body))

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, duration):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines(duration):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # its 5 would be what is measured


if __name__ == "__main__":
    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
