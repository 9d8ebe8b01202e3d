"""A program on a terminal of its own, whose screen is kept in memory: what a person would see."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pyte


class Terminal:
    """``words`` run with a terminal of so many columns and rows until the block ends."""

    def __init__(self, words, columns, rows, *, cwd=None, **environment):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.read = b""
        self.master, other = pty.openpty()
        self._size(columns, rows)
        self.before = termios.tcgetattr(self.master)
        kept = {name: text for name, text in os.environ.items() if name not in ("NO_COLOR", "TERM")}
        # The first terminal that the leader of a session opens is its own: a new size reaches it.
        script = f'exec "$@" <{os.ttyname(other)} >{os.ttyname(other)} 2>&1'
        self.process = subprocess.Popen(
            ["sh", "-c", script, "sh", *map(str, words)],
            cwd=cwd,
            env={**kept, "TERM": "xterm", **environment},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        # Open until the end, so that the terminal outlives the moment before the program has it.
        self.other = other

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        if self.master is not None:
            self.hang_up()
        os.close(self.other)

    def _size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        """Another size, as when a window is dragged; the kernel tells the program."""
        self._size(columns, rows)
        self.screen.resize(rows, columns)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def pump(self, seconds):
        """Take what the program writes meanwhile."""
        # A frame comes in several pieces, and half of one is nothing that anybody would see.
        while select.select([self.master], [], [], seconds)[0]:
            piece = os.read(self.master, 65536)
            self.read += piece
            self.stream.feed(piece)
            seconds = 0.03

    @property
    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self):
        return "\n".join(self.lines)

    def until(self, true, seconds=40):
        """Wait until the screen is such that ``true(text)``; the text."""
        end = time.monotonic() + seconds
        while not true(self.text):
            assert time.monotonic() < end, self.text
            assert self.process.poll() is None, self.text
            self.pump(0.2)
        return self.text

    def end(self, seconds=30):
        """The exit code, once it has ended by itself."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, self.text
            self.pump(0.1)
        self.pump(0.2)
        return self.process.returncode

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.end()

    def hang_up(self):
        """Close the window."""
        os.close(self.master)
        self.master = None

    def colours(self):
        """Colours of the letters on the screen."""
        return {
            cell.fg
            for row in self.screen.buffer.values()
            for cell in row.values()
            if cell.data.strip()
        }
