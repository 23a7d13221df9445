"""The process that sends notifications: what a run starts, asks, and kills where it takes too long.

Apprise speaks to more than a hundred services, each in code of its own. Here none of them holds up the
program, fills its memory or writes to its log. A request is a line of JSON on standard input::

    {"urls": {"0": "ntfy://..."}, "message": null or {"title": "", "body": "", "type": "", "attach": []}}

For each URL a line comes back as soon as it is through, ``{"index": "0", "problem": "..."}``, empty where
nothing is wrong, and ``{}`` at the end. Without a message the URLs are only looked at. The process ends
when its input does, whatever it is at.
"""

import json
import logging
import os
import queue
import resource
import signal
import sys
import threading
from collections.abc import Iterable
from typing import IO, Any
from urllib.parse import quote

MOST_MEMORY = 512 << 20
"""Bytes: some services read an answer to its end, if it has one or not."""


def main() -> None:
    """Do what is asked, line by line."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a service prints is no reply
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # meant for the program, which still has to send
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin, requests), name="requests", daemon=True).start()
    import apprise  # noqa: F401 - now, not when there is something to send

    while True:
        request = json.loads(requests.get())
        for index, url in request["urls"].items():
            _reply(replies, {"index": index, "problem": _problem(url, request["message"])})
        _reply(replies, {})


def _read(lines: Iterable[str], requests: "queue.SimpleQueue[str]") -> None:
    for line in lines:
        requests.put(line)
    os._exit(0)  # at once: the program is gone, or has no more to say


def _reply(replies: IO[str], reply: dict[str, str]) -> None:
    print(json.dumps(reply), file=replies, flush=True)


def _problem(url: str, message: dict[str, Any] | None) -> str:
    """Look at a URL, or send to it; say what is wrong, in Apprise's words."""
    import apprise

    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as told:  # type: ignore[no-untyped-call]
        try:
            service = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(app_id="listener"))
            done = service is not None and (message is None or _sent(service, message))
        except Exception as error:  # noqa: BLE001 - there are many services
            return f"{type(error).__name__} in the code for this service"
        lines = [line.strip() for line in told.getvalue().splitlines() if line.strip()]
    if done:
        return ""
    return lines[-1] if lines else "it was not sent"


def _sent(service: Any, message: dict[str, Any]) -> bool:
    import apprise

    sender = apprise.Apprise(asset=apprise.AppriseAsset(app_id="listener", async_mode=False))
    sender.add(service)
    return bool(
        sender.notify(
            title=message["title"],
            body=message["body"],
            notify_type=message["type"],
            body_format=apprise.NotifyFormat.TEXT,
            attach=[f"file://{quote(path)}" for path in message["attach"]] or None,
        )
    )


if __name__ == "__main__":
    main()
