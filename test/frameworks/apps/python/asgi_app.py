"""A Starlette application (what FastAPI is made of), for the ASGI servers."""

import asyncio

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from answers import alines, events, seconds


async def hello(request):
    # hypercorn 0.13 closes a connection, without a word, after an answer that is
    # ready before the request's end was read. Handlers that do something are
    # not that quick.
    await request.body()
    return PlainTextResponse("hello\n")


async def slow(request):
    await asyncio.sleep(seconds(request.query_params.get("ms")))
    return PlainTextResponse("slow\n")


async def stream(request):
    return StreamingResponse(alines(seconds(request.query_params.get("ms"))), media_type="text/plain")


async def sse(request):
    return StreamingResponse(events(), media_type="text/event-stream")


async def upload(request):
    return PlainTextResponse(f"{len(await request.body())}\n")


async def ws(websocket):
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        pass


app = Starlette(
    routes=[
        Route("/", hello),
        Route("/slow", slow),
        Route("/stream", stream),
        Route("/events", sse),
        Route("/upload", upload, methods=["POST"]),
        WebSocketRoute("/ws", ws),
    ]
)
