"""A web service of the standard library alone. It knows nothing of Segue.

It answers in HTTP/1.0, whose connections end with each answer, and its answers
to GET carry no length: their end is the connection's end. It leaves SIGTERM at
its default, so that it dies at once. Neither loses a request, because Segue
sends it nothing more and waits for what it has, before it sends the signal.
"""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GREETING = "hello"


class Server(ThreadingHTTPServer):
    # Connections that may wait to be accepted. The library's 5 is too few for
    # a service that gets a new one with each request.
    request_queue_size = 128


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        release = os.environ.get("SEGUE_RELEASE", "?")
        self.wfile.write(f"{GREETING} from release {release}, in Python\n".encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass  # Segue's proxy can log requests: access_log in segue.yaml


if __name__ == "__main__":
    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
