"""Asks one build of libllama what it would allocate, restarting it when a setting kills it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from readers.ports import free_port

from llmgen.budget.settings import ServerSettings
from oracle import abi
from oracle.build import Build, program
from oracle.server import Parameters, parameters

Answer = dict[str, object]


class Oracle:
    """A running ``breakdown`` with ``devices`` RPC devices on loopback; use it as a context.

    ``lent`` are servers that run already, whose devices come behind.
    """

    def __init__(self, build: Build, devices: int = 0, lent: tuple[str, ...] = ()) -> None:
        self.build = build
        self.model_fields = abi.layout(abi.MODEL, build.number)
        self.context_fields = abi.layout(abi.CONTEXT, build.number)
        self.command = [*build.loader, str(program()), str(build.libraries)]
        self.endpoints = [f"127.0.0.1:{free_port()}" for _ in range(devices)]
        self.lent = lent
        self.servers: list[subprocess.Popen[bytes]] = []
        self.process: subprocess.Popen[str] | None = None
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 closed by __exit__

    def __enter__(self) -> Self:
        for endpoint in self.endpoints:
            self.servers.append(
                subprocess.Popen(
                    [*self.command, "serve", endpoint],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        for endpoint in self.endpoints:
            _wait_for(endpoint)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        for server in self.servers:
            server.kill()
            server.wait()
        self.errors.close()

    def tensors(self, path: Path) -> Answer:
        """``tensors`` ([name, four extents], …) that the loader makes for a file of metadata alone, or ``refused``."""
        fields = {"no_alloc": 1, "load_mtp": 1, "n_gpu_layers": 0}
        return self._answer(
            "tensors", str(path), "0", "", "", abi.packed(self.model_fields, fields)
        )

    def refusal(self, path: Path) -> str:
        """Why the smallest server with this file does not start; empty where it does."""
        smallest = ServerSettings(ctx_size=256, parallel=1, devices=(), ubatch_size=32)
        return str(self._measure(path, parameters(smallest)).get("refused", ""))

    def graph(self, path: Path, settings: ServerSettings) -> Answer:
        """The answer of ``ask`` with ``graph``: what the allocator got (see ``graphs``)."""
        return self._measure(path, parameters(settings), "graph")

    def ask(self, path: Path, settings: ServerSettings) -> Answer:
        """``n_ctx``, ``n_ctx_seq`` and ``memory`` ([model, context, compute], host first), or ``refused``."""
        answer = self._measure(path, parameters(settings))
        if settings.draft is None or settings.draft.spec_type != "draft-mtp" or "refused" in answer:
            return answer
        head = self._measure(path, parameters(settings, mtp_context=True))
        if "refused" in head:
            return head
        both = zip(answer["memory"], head["memory"], strict=True)  # type: ignore[call-overload]
        return answer | {"memory": [[a[0], a[1] + b[1], a[2] + b[2]] for a, b in both]}

    def _measure(self, path: Path, wanted: Parameters, asked: str = "memory") -> Answer:
        return self._answer(
            asked,
            str(path),
            str(wanted.devices),
            wanted.tensor_split,
            wanted.patterns,
            abi.packed(self.model_fields, wanted.model),
            abi.packed(self.context_fields, wanted.context),
        )

    def _answer(self, *fields: str) -> Answer:
        process = self.process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\t".join(fields) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        return json.loads(line) if line else {"refused": self._crash()}

    def _start(self) -> subprocess.Popen[str]:
        self.errors.seek(0)
        self.errors.truncate()
        at = [
            str(self.model_fields[name][0])
            for name in ("devices", "tensor_buft_overrides", "tensor_split")
        ]
        self.process = subprocess.Popen(
            [*self.command, "measure", *at, *self.endpoints, *self.lent],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | {"GGML_NO_BACKTRACE": "1"},
        )
        return self.process

    def _crash(self) -> str:
        """The assertion that ended the program, without its place on the disk."""
        self._stop()
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if "GGML_ASSERT" in line or "what():" in line]
        return "abort: " + (lines[-1].rsplit("/", 1)[-1] if lines else "no message")

    def _stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


def _wait_for(endpoint: str) -> None:
    host, port = endpoint.split(":")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"no RPC server at {endpoint}")
