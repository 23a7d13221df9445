"""The process: a camera on its first line, then orders; answers on its standard output.

It ends with its standard input, whatever it is at: nobody is left who could use it.
"""

import contextlib
import os
import resource
import sys
import threading
import time

import av.logging

from listener.actions.camera_process.feed import Feed
from listener.actions.camera_process.messages import Forget, State, camera_of, line, order_of
from listener.actions.camera_process.photographer import Photographer

MEMORY_BYTES = 3 * 2**30
"""Address space that it may take: what a camera sends must not take the machine down."""

NICENESS = 5
"""Who listens goes first."""

HANG_S = 5.0
"""Seconds beyond every time-out after which libav counts as hanging."""


def main() -> None:
    """Serve until the program goes away."""
    av.logging.set_level(None)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    out = threading.Lock()
    pipe = os.dup(1)
    os.dup2(2, 1)  # nobody else writes between the answers

    def tell(text: bytes) -> None:
        try:
            with out:
                while text:
                    text = text[os.write(pipe, text) :]
        except OSError:
            os._exit(0)

    camera = camera_of(sys.stdin.buffer.readline())
    feed = Feed(camera, lambda live, why: tell(line(State(live, why))))
    photographer = Photographer(feed, lambda answer: tell(line(answer)))
    threading.Thread(target=_serve, args=(photographer,), name="orders", daemon=True).start()
    threading.Thread(target=feed.run, name="feed", daemon=True).start()
    limit_s = 2 * camera.open_s + camera.stall_s + HANG_S
    while not feed.hangs(limit_s):
        time.sleep(1.0)
    tell(line(State(False, f"it hangs: neither pictures nor an error for {limit_s:g} s")))
    os._exit(1)


def _serve(photographer: Photographer) -> None:
    try:
        for text in sys.stdin.buffer:
            order = order_of(text)
            if isinstance(order, Forget):
                photographer.forget(order.forget)
            else:
                photographer.begin(order)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
