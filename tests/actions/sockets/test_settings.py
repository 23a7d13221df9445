"""What can be asked of a socket, and what cannot."""

from pathlib import Path
from typing import Any

import pytest

from listener.actions.socket.action import SocketOptions
from listener.actions.socket.addresses import TcpAddress, UnixAddress, parse_address
from listener.config_file import validate
from listener.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "needs either listen or connect"),
        ({"listen": "unix:/s", "connect": "unix:/s"}, "needs either listen or connect"),
        *(
            ({"listen": text}, 'listen: must be such as "unix:/run/listener/events.sock"')
            for text in (
                "",
                "x",
                "unix:",
                "tcp:",
                "tcp:80",
                "tcp:x:0",
                "tcp:x:65536",
                "tcp:::1:80",
                "udp:x:1",
            )
        ),
        ({"listen": "unix:/" + "x" * 107}, "listen: must have a path of 107 bytes at most"),
        (
            {"listen": "tcp:0.0.0.0:7777"},
            "listen: must be on this machine (127.0.0.1), or allow_remote: true",
        ),
        ({"listen": "tcp:[::]:7777"}, "listen: must be on this machine"),
        ({"listen": "tcp:example.com:7777"}, "listen: must be on this machine"),
        ({"listen": "unix:/s", "mode": 432}, 'mode: must be three octal digits in quotes, such as "0660"'),
        ({"listen": "unix:/s", "mode": "0999"}, "mode: must be three octal digits"),
        ({"listen": "unix:/s", "clients": 0}, "clients: must be greater than or equal to 1"),
        ({"listen": "unix:/s", "buffer_bytes": 1}, "buffer_bytes: must be greater than or equal to 4096"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(SocketOptions, options)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:/run/x.sock", UnixAddress(Path("/run/x.sock"))),
        ("tcp:localhost:7777", TcpAddress("localhost", 7777)),
        ("tcp:[::1]:7777", TcpAddress("::1", 7777)),
    ],
)
def test_addresses(text: str, expected: UnixAddress | TcpAddress) -> None:
    assert parse_address(text) == expected
    assert str(expected) == text
    validate(SocketOptions, {"listen": text})
    validate(SocketOptions, {"listen": "tcp:0.0.0.0:7777", "allow_remote": True})
