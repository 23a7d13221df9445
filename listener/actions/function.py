"""``use: python:hooks.py:on_event``: a function of the user's is an action.

It is called with the event, or with the event and its `ActionContext`, in a thread of its own. It is given
up after ``timeout_s`` as any run is; but nothing can end a Python function from outside: one that takes long
looks at ``context.cancelled``.
"""

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar

from listener.actions.base import Action, ActionContext
from listener.errors import BrokenPluginError
from listener.types import Event

OnEvent = Callable[..., object]
"""``on_event(event)`` or ``on_event(event, context)``; what it returns does not matter."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class FunctionAction(Action):
    """Calls a function; see `function_action`."""

    function: ClassVar[OnEvent]
    """What is called."""

    takes_context: ClassVar[bool]
    """It is called with the context as well."""

    def run(self, event: Event, context: ActionContext) -> None:
        """Call it. What it raises is a failure of this run."""
        arguments = (event, context) if self.takes_context else (event,)
        type(self).function(*arguments)


@lru_cache(maxsize=256)
def function_action(function: OnEvent) -> type[FunctionAction]:
    """Make an action of a function: for the same one the same class, so that a new one can be told from it.

    Raises
    ------
    BrokenPluginError
        It cannot be called with an event.
    """
    name = getattr(function, "__name__", "function")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise BrokenPluginError(f"'{name}' must be a plain function: nobody would await this one")
    if inspect.isgeneratorfunction(function):
        raise BrokenPluginError(f"'{name}' must be a plain function: one that yields would do nothing")
    members: dict[str, Any] = {
        "__doc__": function.__doc__,
        "__module__": getattr(function, "__module__", __name__),
        "function": staticmethod(function),
        "takes_context": _takes_context(function, name),
    }
    return type(name, (FunctionAction,), members)


def _takes_context(function: OnEvent, name: str) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some functions written in C nobody knows
        return False
    positional = [one for one in signature.parameters.values() if one.kind in _POSITIONAL]
    # A second one with a default is an affair of the function's own, unless it is called as ours.
    wanted = [
        n for n, one in enumerate(positional) if one.default is one.empty or (n, one.name) == (1, "context")
    ]
    takes_context = 1 in wanted
    try:
        signature.bind(*("event", "context")[: 1 + takes_context])
    except TypeError:
        raise BrokenPluginError(f"'{name}' must take (event) or (event, context), not {signature}") from None
    return takes_context
