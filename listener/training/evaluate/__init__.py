"""How good a bundle is, by the very engine that runs live: on clips, and on streams with known events.

Nothing here looks at a network: what is judged is a `Classifier`, its card and its
thresholds, by `listener.stages`, `listener.offline` and `listener.events`.
"""

from listener.training.evaluate.judge import Judged, judge, judge_samples

__all__ = ["Judged", "judge", "judge_samples"]
