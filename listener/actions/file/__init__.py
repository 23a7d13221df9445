"""``use: file``: append events to a file, one line each, as JSON or as CSV.

The file is opened for each line: who moves it away (logrotate) gets a new one, and nothing
is kept open. A line is written whole, by one write at the file's end, so that several
programs may write to one file. One that was cut off by a loss of power stays alone: the
next begins on a line of its own.

======= ====================================================================
options the settings
lines   an event as a line, and what ends one that was cut off
aside   when a file has had its time, and what it is called from then on
action  which file an event goes to
======= ====================================================================
"""

from listener.actions.file.action import FileAction
from listener.actions.file.options import FileOptions

__all__ = ["FileAction", "FileOptions"]
