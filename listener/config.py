"""The configuration, and the one source of every default."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Settings of one part of the program; a plug-in derives its own from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
