"""Something that lives in a process of its own: what the engine sets up neither favours nor hinders it.

Fused operators, above all, are a setting of the process, and the tutorial does not ask for them.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, TypeVarTuple

from listener.cli import TORCH_SETTINGS

Resident = TypeVar("Resident")
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

ENDS_WITHIN_S = 10.0


class Apart(Generic[Resident]):
    """A process that makes one object and runs functions on it.

    Parameters
    ----------
    make
        Makes the object; what it takes is sent to the process.
    arguments
        Of ``make``.
    """

    def __init__(self, make: Callable[[*Arguments], Resident], *arguments: *Arguments) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(other_end, make, arguments), daemon=True)
        with without_settings():
            self._process.start()
        other_end.close()

    def run(self, function: Callable[[Resident, *Arguments], Result], *arguments: *Arguments) -> Result:
        """Call ``function`` there, with the object and ``arguments``, and give what it returns."""
        self._connection.send((function, arguments))
        failed, result = self._connection.recv()
        if failed:
            raise result
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(ENDS_WITHIN_S)
        self._process.kill()
        self._process.join()
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def without_settings() -> Iterator[None]:
    """Start processes that do not get what the program sets for itself."""
    before = {name: os.environ.pop(name) for name in TORCH_SETTINGS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def _serve(connection: Connection, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    resident = make(*arguments)
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = False, function(resident, *arguments)
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
            answer = True, error
        connection.send(answer)
