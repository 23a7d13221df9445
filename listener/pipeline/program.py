"""What actions see of the engine, and may do to it."""

from collections.abc import Callable, Sequence

from listener.actions.runner import ActionRunner
from listener.types import PipelineStats


class RunningProgram:
    """Fills `listener.actions.base.Program`.

    Parameters
    ----------
    runner
        Runs the actions.
    labels
        Gives the labels of the model in force.
    sources
        Names of the sources.
    stats
        Gives how all is.
    """

    def __init__(
        self,
        runner: ActionRunner,
        labels: Callable[[], Sequence[str]],
        sources: Sequence[str],
        stats: Callable[[], PipelineStats],
    ) -> None:
        self._runner = runner
        self._labels = labels
        self._sources = tuple(sources)
        self._stats = stats

    @property
    def labels(self) -> Sequence[str]:
        """Of the model that listens."""
        return self._labels()

    @property
    def sources(self) -> Sequence[str]:
        """Names of the sources."""
        return self._sources

    @property
    def actions(self) -> Sequence[str]:
        """Names of the actions."""
        return [action.name for action, _ in self._runner.actions]

    def stats(self) -> PipelineStats | None:
        """How all is."""
        return self._stats()

    def pause(self, action: str, paused: bool) -> None:
        """Let an action answer to nothing, or again."""
        self._runner.pause(action, paused)

    def is_paused(self, action: str) -> bool:
        """Say whether an action is paused."""
        return self._runner.is_paused(action)
