"""aiohttp: run_app handles SIGTERM by itself.
https://docs.aiohttp.org/en/stable/web_advanced.html#graceful-shutdown
"""

import asyncio
import os
import weakref

from aiohttp import WSCloseCode, web

from answers import alines, events, seconds

sockets = weakref.WeakSet()
routes = web.RouteTableDef()


@routes.get("/")
async def hello(request):
    return web.Response(text="hello\n")


@routes.get("/slow")
async def slow(request):
    await asyncio.sleep(seconds(request.query.get("ms")))
    return web.Response(text="slow\n")


async def write(request, content_type, parts):
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)
    async for part in parts:
        await response.write(part)
    return response


@routes.get("/stream")
async def stream(request):
    return await write(request, "text/plain", alines(seconds(request.query.get("ms"))))


@routes.get("/events")
async def sse(request):
    return await write(request, "text/event-stream", events())


@routes.post("/upload")
async def upload(request):
    return web.Response(text=f"{len(await request.read())}\n")


@routes.get("/ws")
async def ws(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    sockets.add(socket)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def close_sockets(app):
    """As the documentation has it: the server does not do this by itself."""
    for socket in set(sockets):
        await socket.close(code=WSCloseCode.GOING_AWAY, message="Server shutdown")


app = web.Application(client_max_size=1 << 30)
app.add_routes(routes)
app.on_shutdown.append(close_sockets)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)
