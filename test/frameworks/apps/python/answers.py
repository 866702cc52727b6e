"""What the servers here have in common: the bodies that they write."""

import asyncio
import time

PAUSE = 0.05  # between two lines or events


def seconds(ms):
    """How long a slow or streamed answer shall take; ms is what the query says, or None."""
    return int(ms or 1500) / 1000


def lines(duration):
    """A streamed answer: a line each 50 ms."""
    end = time.monotonic() + duration
    while time.monotonic() < end:
        yield b"line\n"
        time.sleep(PAUSE)
    yield b"end\n"


async def alines(duration):
    """The same for an event loop."""
    end = time.monotonic() + duration
    while time.monotonic() < end:
        yield b"line\n"
        await asyncio.sleep(PAUSE)
    yield b"end\n"


async def events():
    """Server-sent events that never end by themselves."""
    n = 0
    while True:
        n += 1
        yield b"data: %d\n\n" % n
        await asyncio.sleep(PAUSE)
