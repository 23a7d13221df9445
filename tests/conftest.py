"""What every test gets: real data, the shipped model, and no thread or skip that goes unseen."""

import os
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from listener.logs import redaction
from listener.resources import bundled_models

# Before any library that starts its own workers is imported; child processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

# How long an example takes says how busy the machine is, and nothing else.
# What is found by chance is found at a desk: where `CI` is set, examples are the same each time.
settings.register_profile("patient", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("patient")

pytest_plugins = ["tests.disk", "tests.http_server", "tests.settable_clock", "tests.virtual_microphone"]

THREADS_END_WITHIN_S = 5.0
"""How long a thread may take to end after the test that started it: the machine may be busy."""


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Fail a test that leaves a thread running."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + THREADS_END_WITHIN_S
    started = [thread for thread in threading.enumerate() if thread not in before and _is_ours(thread)]
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    leaked = [thread.name for thread in started if thread.is_alive()]
    assert not leaked, f"threads still alive after the test: {', '.join(leaked)}"


def _is_ours(thread: threading.Thread) -> bool:
    # A thread that a C library made (PortAudio's callback) stands in the list from its first
    # look at `current_thread()` on; Python cannot know when it ends.
    return not isinstance(thread, threading._DummyThread)


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program keep its state anywhere but in the home of whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


@pytest.fixture(autouse=True)
def no_secret_outlives_its_test() -> Iterator[None]:
    """Let a word that one test hides be told in the next."""
    redactor = redaction._redactor
    hidden, known = list(redactor._hidden), set(redactor._known)
    yield
    redactor._hidden[:] = hidden
    redactor._known = known


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings."""
    folder = os.environ.get("LISTENER_DATA")
    if not folder:
        pytest.skip("LISTENER_DATA names no folder with real recordings")
    return Path(folder)


@pytest.fixture(scope="session")
def household() -> Path:
    """The bundle that comes with the program."""
    path = bundled_models() / "household.pt"
    if not path.exists():
        pytest.skip(f"{path} does not exist")
    return path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI a skipped module is a failed one."""
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where ``CI`` is set: there, every program and every recording is at hand."""
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"in CI nothing is skipped: {reason}"
