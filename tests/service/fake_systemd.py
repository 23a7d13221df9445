"""A ``systemctl`` and a ``journalctl`` that answer as told and remember what they were asked."""

import os
from pathlib import Path

_SYSTEMCTL = """\
#!/bin/sh
cd {folder}
echo "$*" >>calls
case " $* " in
    *" is-system-running "*) cat running ;;
    *" show "*) cat properties ;;
    *" start "* | *" restart "*) cat refusal >&2; exit $(test -s refusal && echo 1 || echo 0) ;;
esac
"""
_JOURNALCTL = """\
#!/bin/sh
echo "$*" >>{folder}/journal_calls
cat {folder}/journal
"""
_LOGINCTL = """\
#!/bin/sh
cat {folder}/linger
"""


class FakeSystemd:
    """Programs in a folder of their own, which has to come first on ``PATH``.

    Parameters
    ----------
    folder
        The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, script in (
            ("systemctl", _SYSTEMCTL),
            ("journalctl", _JOURNALCTL),
            ("loginctl", _LOGINCTL),
        ):
            (folder / name).write_text(script.format(folder=folder))
            (folder / name).chmod(0o755)
        for name in ("calls", "journal_calls", "journal", "refusal", "properties"):
            (folder / name).write_text("")
        self.is_running("running")
        self.lingers(False)
        self.shows(LoadState="not-found", ActiveState="inactive", SubState="dead")

    @property
    def path(self) -> str:
        """``PATH`` with this in front."""
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"

    @property
    def calls(self) -> list[str]:
        """What ``systemctl`` was asked to do; questions are left out."""
        lines = (self.folder / "calls").read_text().replace(" --no-pager", "").replace("--no-pager ", "")
        return [line for line in lines.splitlines() if "is-system-running" not in line and "show" not in line]

    @property
    def journal_calls(self) -> list[str]:
        """What ``journalctl`` was asked."""
        return (self.folder / "journal_calls").read_text().splitlines()

    def forget(self) -> None:
        """Forget the calls."""
        (self.folder / "calls").write_text("")

    def is_running(self, answer: str) -> None:
        """Answer ``is-system-running``."""
        (self.folder / "running").write_text(f"{answer}\n")

    def lingers(self, lingers: bool) -> None:
        """Answer ``show-user --property=Linger``."""
        (self.folder / "linger").write_text(f"Linger={'yes' if lingers else 'no'}\n")

    def shows(self, **properties: str) -> None:
        """Answer ``show``."""
        (self.folder / "properties").write_text("".join(f"{k}={v}\n" for k, v in properties.items()))

    def says(self, *lines: str) -> None:
        """Answer ``journalctl``."""
        (self.folder / "journal").write_text("".join(f"{line}\n" for line in lines))

    def refuses(self, why: str) -> None:
        """Fail to start anything."""
        (self.folder / "refusal").write_text(f"{why}\n")
