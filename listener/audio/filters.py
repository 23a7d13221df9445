"""A chain of FFmpeg's filters between the decoder and whoever reads."""

from collections.abc import Iterator
from difflib import get_close_matches
from fractions import Fraction

import av
from av.filter import Graph, filters_available
from av.filter.context import FilterContext

from listener.errors import AudioFileError, one_line, printable

_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""FFmpeg's own guess where a file does not say which channel is which."""


class FilterChain:
    """Filters in a row.

    Parameters
    ----------
    text
        As FFmpeg writes it: ``highpass=f=100,loudnorm``. One input, one output, no labels.
    first
        The first frame that will be pushed: the others are like it.

    Raises
    ------
    AudioFileError
        The chain cannot be used; the message says why.
    """

    def __init__(self, text: str, first: av.AudioFrame) -> None:
        self._text = text
        self._graph = Graph()
        self._graph.threads = 1
        rate = first.rate
        nodes = [
            self._graph.add_abuffer(
                sample_rate=rate,
                format=first.format.name,
                layout=first.layout.name,
                time_base=first.time_base or Fraction(1, rate),
            )
        ]
        if first.layout.name.endswith("channels") and first.layout.nb_channels in _LAYOUTS:
            layout = _LAYOUTS[
                first.layout.nb_channels
            ]  # of channels without a place, some filters touch none
            nodes.append(self._graph.add("aformat", f"channel_layouts={layout}"))
        nodes += [self._add(name, arguments) for name, arguments in split_chain(text)]
        nodes.append(self._graph.add("abuffersink"))
        try:
            self._graph.link_nodes(*nodes).configure()
        except (av.FFmpegError, ValueError) as error:
            raise self._refused(error) from error

    def push(self, frame: av.AudioFrame | None) -> Iterator[av.AudioFrame]:
        """Send a frame through, None at the end, and give what has come out."""
        try:
            self._graph.push(frame)
        except (av.FFmpegError, ValueError) as error:
            raise self._refused(error) from error
        while True:
            try:
                ready = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            except av.FFmpegError as error:
                raise self._refused(error) from error
            assert isinstance(ready, av.AudioFrame)
            yield ready

    def _add(self, name: str, arguments: str) -> FilterContext:
        if name not in filters_available:
            near = get_close_matches(name, filters_available, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise AudioFileError(f"filters: FFmpeg has no filter {printable(name)!r}{hint}")
        try:
            return self._graph.add(name, arguments)
        except (av.FFmpegError, ValueError) as error:
            raise AudioFileError(
                f"filters: {name} does not take {printable(arguments)!r}: {_reason(error)}"
            ) from error

    def _refused(self, error: Exception) -> AudioFileError:
        return AudioFileError(f"filters: {printable(self._text)!r} cannot be used on sound: {_reason(error)}")


def split_chain(text: str) -> list[tuple[str, str]]:
    """Take a chain apart, as FFmpeg does: commas part filters, quotes and backslashes keep them from it.

    Returns
    -------
    list
        Name and arguments of each filter.

    Raises
    ------
    AudioFileError
        It is no plain chain.
    """
    parts = [""]
    letters = iter(text)
    for letter in letters:
        if letter == "\\":
            parts[-1] += next(letters, "")
        elif letter == "'":
            parts[-1] += _quoted(letters, text)
        elif letter in "[];":
            raise AudioFileError(
                f"filters: {printable(text)!r} has to be one chain: no {letter!r} outside quotes"
            )
        elif letter == ",":
            parts.append("")
        else:
            parts[-1] += letter
    filters = [part.strip().partition("=") for part in parts]
    if not all(name for name, _, _ in filters):
        raise AudioFileError(f"filters: {printable(text)!r} names no filter between two commas")
    return [(name.strip(), arguments) for name, _, arguments in filters]


def _quoted(letters: Iterator[str], text: str) -> str:
    quoted = ""
    for letter in letters:
        if letter == "'":
            return quoted
        quoted += letter
    raise AudioFileError(f"filters: in {printable(text)!r} a quote is not closed")


def _reason(error: Exception) -> str:
    return one_line(getattr(error, "strerror", None) or error)
