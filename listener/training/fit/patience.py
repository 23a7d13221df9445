"""When a training ends early: what it learns no longer helps with what is held out."""

from typing import Any

from torch import Tensor, nn


class Patience:
    """Keeps the best, and counts how long ago it was.

    Parameters
    ----------
    limit
        Looks without a better loss after which it is over; None: it never is, and nothing is kept.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._lowest = float("inf")
        self._since = 0
        self.best: dict[str, Tensor] | None = None
        """Weights of the best network."""

    @property
    def is_over(self) -> bool:
        """Whether it has waited for long enough."""
        return self._limit is not None and self._since >= self._limit

    def notes(self, loss: float) -> bool:
        """Look at a loss; say whether its network is to be kept."""
        is_better = self._limit is not None and loss < self._lowest
        self._lowest = min(self._lowest, loss) if is_better else self._lowest
        self._since = 0 if is_better else self._since + 1
        return is_better

    def keep(self, network: nn.Module) -> None:
        """Keep a network's weights."""
        self.best = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """What it knows, for a checkpoint."""
        return {"lowest": self._lowest, "since": self._since, "best": self.best}

    def load(self, state: dict[str, Any]) -> None:
        """Know it again."""
        self._lowest, self._since, self.best = state["lowest"], state["since"], state["best"]
