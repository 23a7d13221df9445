"""A logger that has one handler and tells nobody else."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

NAME = "listener.test"


@contextmanager
def logger_of(handler: logging.Handler) -> Iterator[logging.Logger]:
    logger = logging.Logger(NAME)  # noqa: LOG001 - pytest listens to those of the tree, and refuses bad lines
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        handler.close()
