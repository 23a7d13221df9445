"""What all settings have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

A_YEAR_S = 365 * 24 * 3600.0
"""Longer waits are beyond what the operating system takes."""

Seconds = Annotated[float, Field(ge=0, le=A_YEAR_S)]
PositiveSeconds = Annotated[float, Field(gt=0, le=A_YEAR_S)]
Score = Annotated[float, Field(ge=0, le=1)]


class Options(BaseModel):
    """Settings of one part of the program; a plug-in derives its own from it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class PluginSettings(Options):
    """Settings of a plug-in: those that all of its kind have, and its own beside them."""

    model_config = ConfigDict(extra="allow")

    use: str
    """Name of the plug-in: see ``listener plugins``."""

    name: str | None = None
    """What it is called in events and logs; the plug-in's name unless told."""
