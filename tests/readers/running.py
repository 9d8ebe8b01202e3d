"""Start a real server on loopback, wait until it answers, and end it by its own id."""

import contextlib
import os
import signal
import subprocess
import time

import httpx

SLOW = 60


@contextlib.contextmanager
def running(argv, *, ready, log, env=None, cwd=None, seconds=SLOW):
    """The process, once ``ready`` (a URL, with any certificate) answers 200; its group ends with the block."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(word) for word in argv],
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent), **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait(ready, process, log, seconds)
            yield process
        finally:
            end(process)


def wait(url, process, log, seconds=SLOW):
    """Return when the URL answers 200; fail with the log when the program ended or never does."""
    # A server's own certificate: it is another test's business.
    verify = not url.startswith("https:")
    end_of_patience = time.monotonic() + seconds
    while time.monotonic() < end_of_patience:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2, verify=verify).status_code == httpx.codes.OK:
                return
        time.sleep(0.05)
    raise AssertionError(f"{url} never answered:\n{log.read_text('utf-8', 'replace')[-3000:]}")


def end(process):
    """SIGTERM to the group, SIGKILL after ten seconds."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
