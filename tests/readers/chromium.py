"""A headless Chromium that is told by its own protocol, through two pipes: no port, no driver."""

import base64
import json
import os
import subprocess
import tempfile
from contextlib import contextmanager, suppress

import readers

# Nothing is asked of the network, and nothing is kept.
OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--font-render-hinting=none",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


class Chromium:
    """One page of one browser; ``said`` is what the page wrote on its console and logs."""

    def __init__(self, write, read):
        self.write, self.read = write, read
        self.rest, self.number = b"", 0
        self.session, self.said, self.requests, self.loaded = None, [], [], False
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        attached = self.tell("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def tell(self, method, **parameters):
        """One command and its answer; events that come before it are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self._event(answer)

    def _next(self):
        while b"\0" not in self.rest:
            piece = os.read(self.read, 1 << 20)
            assert piece, "the browser has ended"
            self.rest += piece
        found, _, self.rest = self.rest.partition(b"\0")
        return json.loads(found)

    def _event(self, event):
        match event.get("method"):
            case "Page.loadEventFired":
                self.loaded = True
            case "Log.entryAdded":
                self.said.append(event["params"]["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.said.append(json.dumps(event["params"]))
            case "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])

    def look(self, width, height=900, scheme="light", media=""):
        """How wide the window is, which colours the reader likes, on screen or on paper."""
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.tell("Emulation.setEmulatedMedia", media=media, features=features)

    def open(self, path):
        """A file, as far as its load event."""
        self.loaded, self.said, self.requests = False, [], []
        self.tell("Page.navigate", url=path.resolve().as_uri())
        while not self.loaded:
            self._event(self._next())

    def ask(self, expression):
        """The value of an expression in the page; a promise is waited for."""
        answer = self.tell(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key, code):
        """One key, down and up."""
        for kind in ("keyDown", "keyUp"):
            self.tell(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def picture(self, path):
        """The whole page as a PNG file."""
        found = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def pdf(self):
        """The page as it is printed."""
        return base64.b64decode(self.tell("Page.printToPDF")["data"])


@contextmanager
def chromium():
    """A browser that ends with the block, with a profile of its own."""
    down, up = os.pipe(), os.pipe()
    program = readers.find("chromium")
    # The browser reads from 3 and writes to 4; sh itself takes no numbers of two digits.
    words = ["bash", "-c", f'exec 3<&{down[0]} 4>&{up[1]}; exec "$@"', "bash", program, *OPTIONS]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [*words, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(down[0], up[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
        )
        os.close(down[0])
        os.close(up[1])
        try:
            yield Chromium(down[1], up[0])
        finally:
            with suppress(OSError):
                os.close(down[1])
            os.close(up[0])
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
