"""The command line: parse, call, print.

This module imports next to nothing, so that Ctrl-C is met from the first moment on.
"""

import os
import signal
import sys
import threading
from types import FrameType

EXIT_PROBLEM, EXIT_INTERRUPTED = 1, 130

FLUSHED_WITHIN_S = 1.0

TORCH_SETTINGS = {"GOMP_SPINCOUNT": "0", "THP_MEM_ALLOC_ENABLE": "1"}
"""Read when torch is loaded: its threads would spin while they wait; a model on huge pages is 5 % faster."""


def main() -> None:
    """Run the command line and exit with its code."""
    for name, value in TORCH_SETTINGS.items():
        os.environ.setdefault(name, value)
    signal.signal(signal.SIGINT, _interrupt)
    _let_any_text_out()
    try:
        code = _call()
        if _is_anybody_left():
            _leave(code)
        sys.exit(code)
    except KeyboardInterrupt:
        _leave(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Who read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(EXIT_PROBLEM)
    except Exception:
        # An interrupt within an import may surface as any exception.
        if _interrupted:
            _leave(EXIT_INTERRUPTED)
        raise


def _let_any_text_out() -> None:
    """Print names as they are on the disk, which need not be UTF-8; what cannot be shown is escaped."""
    if (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:  # it may be closed (>&-)
        is_utf8 = sys.stdout.encoding.lower().startswith("utf")
        reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")


def _call() -> int:
    """Run the command and give its exit code; tell what the user can mend."""
    import click

    from listener.cli.group import cli
    from listener.errors import ListenerError
    from listener.logs import complain

    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        _leave(EXIT_INTERRUPTED)
    except ListenerError as error:
        complain(str(error))
        _leave(EXIT_PROBLEM)
    except MemoryError:
        complain(
            "there is not enough memory for it; `listener analyze` takes little, however long a recording"
        )
        _leave(EXIT_PROBLEM)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        complain(f"{where}{error.strerror or error}")
        _leave(EXIT_PROBLEM)
    return code if isinstance(code, int) else 0


_interrupted: list[int] = []


def _interrupt(number: int, frame: FrameType | None) -> None:
    _interrupted.append(number)
    if _is_half_loaded("torch"):
        # Its C++ calls Python back while it is loaded, and takes no exception from there: it aborts.
        _leave(EXIT_INTERRUPTED)
    raise KeyboardInterrupt


def _is_half_loaded(name: str) -> bool:
    """Say whether a module is being imported right now."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def _is_anybody_left() -> bool:
    """Say whether a thread hangs: tearing down what it is inside of could crash."""
    # Threads of a C library that once called into Python are listed as dummies for ever.
    ours = [thread for thread in threading.enumerate() if not thread.name.startswith("Dummy")]
    return any(thread.daemon and thread.is_alive() for thread in ours)


def _leave(code: int) -> None:
    """Exit without tearing down libraries that may be half loaded, or threads that hang in a driver."""
    # Whoever reads our output may have stopped to do so; that must not hold up the end for ever.
    flushing = threading.Thread(target=_flush, daemon=True)
    flushing.start()
    flushing.join(FLUSHED_WITHIN_S)
    os._exit(code)


def _flush() -> None:
    if (logs := sys.modules.get("listener.logs")) is not None and hasattr(logs, "close"):
        logs.close()
    for stream in (sys.stderr, sys.stdout):
        try:
            if stream is not None:  # it is where the shell closed it (>&-)
                stream.flush()
        except (OSError, ValueError):
            continue
