"""Run llmgen on a host, with words and files of the caller's; nothing of it stays there."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from llmgen import __version__
from llmgen.errors import InputError
from llmgen.remote import failures, own_zip
from llmgen.remote.candidates import Here, RemoteProgram, Sent, checked, chosen, here
from llmgen.remote.connection import Connection, HostBounds, HostOverflow, HostTimeout, Lost, Stop
from llmgen.remote.host import Host
from llmgen.remote.messages import Garbage, MessageHeader

# Below the keeper's folder.
_FILES: Final = "files"
_PACKAGES: Final = "packages"


class RemoteRemains(Struct, frozen=True):
    """What llmgen left behind on a host."""

    host: Host
    code: int
    output: bytes
    errors: bytes

    def document(self) -> dict[str, Any]:
        """What ``--json`` printed; InputError when that is not one document of llmgen's."""
        try:
            found = json.loads(self.output)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or "llmgen" not in found:
            raise InputError(failures.garbage(self.host, self.output or self.errors))
        return found


def run(
    host: Host,
    words: Sequence[str],
    files: Mapping[str, bytes],
    *,
    environment: Mapping[str, str] | None = None,
    bounds: HostBounds = HostBounds(),  # noqa: B008 - frozen
    stop: Stop | None = None,
) -> RemoteRemains:
    """Run ``llmgen WORDS`` in a private folder that has these files; InputError when it cannot.

    ``files`` are by their path below that folder. Whatever ends this call ends llmgen there.
    """
    try:
        connection = Connection(host.words(connect_seconds=bounds.connect_seconds), bounds, stop)
    except OSError as error:
        raise InputError(failures.no_ssh(host)) from error
    with connection:
        call = _Call(host, connection, bounds)
        try:
            return call.made(words, files, environment or {})
        except Lost as lost:
            if call.greeted:
                raise InputError(failures.cut_off(host, lost.errors)) from lost
            if connection.noise and not lost.errors:
                raise InputError(failures.garbage(host, connection.noise)) from lost
            raise InputError(failures.not_reached(host, lost.code, lost.errors)) from lost
        except HostTimeout as late:
            seconds = bounds.seconds if call.greeted else bounds.greeting_seconds
            raise InputError(failures.no_answer(host, seconds, greeted=call.greeted)) from late
        except HostOverflow as flood:
            raise InputError(failures.too_much(host, bounds.size_bytes)) from flood
        except Garbage as error:
            raise InputError(failures.garbage(host, error.found)) from error


class _Call:
    """One conversation with a keeper; ``greeted`` says whether it has begun."""

    def __init__(self, host: Host, connection: Connection, bounds: HostBounds) -> None:
        self.host, self.connection, self.bounds = host, connection, bounds
        self.greeted = False

    def made(
        self, words: Sequence[str], files: Mapping[str, bytes], environment: Mapping[str, str]
    ) -> RemoteRemains:
        """The whole of it."""
        self.connection.send({"do": "greet", "nonce": self.connection.nonce})
        self.connection.send(
            {
                "do": "look",
                "version": __version__,
                "programs": [self.host.llmgen] if self.host.llmgen else [],
                "needs": own_zip.needs(),
            }
        )
        header, _ = self.expect("here", seconds=self.bounds.greeting_seconds)
        self.greeted = True
        found = here(header)
        if found is None:
            raise Garbage(repr(header).encode())
        what = chosen(self.host, found)
        path = _PACKAGES if isinstance(what, Sent) else ""
        program = what.words if isinstance(what, RemoteProgram) else self.sent(what, found)
        self.connection.send({"do": "put", "below": _FILES}, _packed(files))
        self.connection.send(
            {
                "do": "run",
                "words": [*program, *words],
                "below": _FILES,
                "path": path,
                "environment": dict(environment),
            }
        )
        return self.heard()

    def sent(self, what: Sent, found: Here) -> tuple[str, ...]:
        """Send llmgen itself; the words that run it there."""
        packed = own_zip.own() if what is Sent.OWN else own_zip.whole()
        if packed is None:
            raise InputError(failures.no_llmgen(self.host, found.python_there))
        self.connection.send({"do": "put", "below": _PACKAGES}, packed)
        self.connection.send({"do": "check", "below": _PACKAGES})
        header, _ = self.expect("checked")
        running = checked(header)
        if running is None:
            raise InputError(failures.no_llmgen(self.host, found.python_there))
        return running.words

    def heard(self) -> RemoteRemains:
        """What the program says, to its end."""
        said = {"out": bytearray(), "err": bytearray()}
        while True:
            header, payload = self.expect("out", "err", "end")
            if header["is"] == "end":
                code = header.get("code")
                if type(code) is not int:
                    raise Garbage(str(header).encode())
                # A signal ended it.
                code = code if code >= 0 else 128 - code
                return RemoteRemains(self.host, code, bytes(said["out"]), bytes(said["err"]))
            said[header["is"]] += payload

    def expect(self, *kinds: str, seconds: float | None = None) -> tuple[MessageHeader, bytes]:
        """The next message, of one of these kinds."""
        header, payload = self.connection.receive(seconds=seconds)
        if header["is"] == "failed":
            number = header.get("errno")
            text = str(header.get("text", ""))
            raise InputError(failures.failed_there(self.host, number, text))
        if header["is"] not in kinds:
            raise Garbage(str(header).encode())
        return header, payload


def _packed(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()
