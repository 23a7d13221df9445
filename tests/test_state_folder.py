from pathlib import Path

import pytest

from listener.state_folder import state_folder


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/listener", "XDG_STATE_HOME": "/x"}, "/var/lib/listener"),
        ({"STATE_DIRECTORY": "/var/lib/one:/var/lib/two"}, "/var/lib/one"),
        ({"STATE_DIRECTORY": "", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/listener"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/listener"),
        ({"HOME": "/h"}, "/h/.local/state/listener"),
        ({"HOME": "nowhere"}, None),
        ({}, None),
    ],
)
def test_where_the_state_is_kept(environment: dict[str, str], folder: str | None) -> None:
    assert state_folder(environment) == (None if folder is None else Path(folder))
