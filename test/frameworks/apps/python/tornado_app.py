"""Tornado. Its guide waits for an event that a signal sets; its HTTPServer's
documentation stops, and then waits for close_all_connections().
https://www.tornadoweb.org/en/stable/guide/running.html
https://www.tornadoweb.org/en/stable/httpserver.html
"""

import asyncio
import os
import signal

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from answers import alines, events, seconds


class Hello(RequestHandler):
    def get(self):
        self.write("hello\n")


class Slow(RequestHandler):
    async def get(self):
        await asyncio.sleep(seconds(self.get_argument("ms", None)))
        self.write("slow\n")


class Stream(RequestHandler):
    async def get(self):
        async for line in alines(seconds(self.get_argument("ms", None))):
            self.write(line)
            await self.flush()


class Events(RequestHandler):
    async def get(self):
        self.set_header("Content-Type", "text/event-stream")
        async for event in events():
            self.write(event)
            await self.flush()


class Upload(RequestHandler):
    def post(self):
        self.write(f"{len(self.request.body)}\n")


class Echo(WebSocketHandler):
    def on_message(self, message):
        self.write_message(message)


async def main():
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    app = Application([("/", Hello), ("/slow", Slow), ("/stream", Stream), ("/events", Events), ("/upload", Upload), ("/ws", Echo)])
    server = HTTPServer(app)
    server.listen(int(os.environ["PORT"]), "127.0.0.1")
    await stopping.wait()
    server.stop()
    await server.close_all_connections()


asyncio.run(main())
