"""Where a camera is, how libav opens that, and what of it may be told."""

import re
from urllib.parse import SplitResult, unquote, urlsplit

DEVICE = re.compile(r"/dev/(?:video\d+|v4l/.+)")
"""Devices of Video4Linux."""

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+")

NETWORK = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt", "tcp", "udp", "rtp")
"""Schemes behind which is another machine."""

PROTOCOLS = "http,https,httpproxy,tcp,tls,udp,rtp,srtp,rtmp,rtmps,srt,crypto,data"
"""What such a one may make libav open: no file of this one."""

ANALYSE_US = "2000000"
"""Microseconds of a stream that libav may look at before the first picture comes of it. It need not count how
many come in a second (``fpsprobesize``), which would take most of that time."""


def is_address(url: str) -> bool:
    """Say whether a text can be where a camera is."""
    if not url.isprintable() or " " in url:
        return False
    if url.startswith("/"):
        return True
    if not SCHEME.fullmatch(url):
        return False
    parts = _split(url)
    return parts is not None and (parts.scheme not in NETWORK or bool(parts.netloc))


def format_of(url: str) -> str | None:
    """Name the format that an address stands for; None: libav finds out."""
    return "v4l2" if DEVICE.fullmatch(url) else None


def options_of(url: str) -> dict[str, str]:
    """Give the options of libav that suit an address."""
    parts = _split(url)
    scheme = "" if parts is None else parts.scheme
    if scheme not in NETWORK:
        return {}
    options = {"protocol_whitelist": PROTOCOLS, "analyzeduration": ANALYSE_US, "fpsprobesize": "0"}
    if scheme in ("rtsp", "rtsps"):
        options |= {"rtsp_transport": "tcp", "allowed_media_types": "video"}
    return options


def shown(url: str) -> str:
    """Give an address as it may be told: without user, password and query, which may hold either."""
    parts = _split(url)
    if parts is None or not parts.netloc:
        return url if url.startswith("/") else f"{url.partition(':')[0]}:..."
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def secrets_of(url: str) -> list[str]:
    """Give what of an address must never be told, in each spelling; the log hides it wherever it turns up."""
    parts = _split(url)
    if parts is None:
        return []
    user_info = parts.netloc.rpartition("@")[0]
    password = user_info.partition(":")[2]
    return [text for text in (password, unquote(password)) if text]


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None
