"""Load over HTTP: streaming chats against an endpoint, times of first token and of each token."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from msgspec import Struct

from llmgen.errors import Diagnostic, InputError

# Four characters are about one token of English text.
CHARACTERS_PER_TOKEN = 4
TIMEOUT = httpx.Timeout(10, read=3600)


class Answer(Struct, frozen=True):
    """One streamed answer: seconds to the first token and to the end, chunks with text."""

    first_seconds: float
    total_seconds: float
    chunks: int
    completion_tokens: int


class Load(Struct, frozen=True):
    """A round of requests at the same time."""

    connections: int
    answers: tuple[Answer, ...]
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens of all answers in a second."""
        return sum(item.completion_tokens for item in self.answers) / self.seconds


def chat(url: str, model: str, prompt_tokens: int, answer_tokens: int, key: str = "") -> Answer:
    """Stream one chat; InputError when the server does not answer as an OpenAI server does."""
    body = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": answer_tokens,
        "messages": [
            {"role": "user", "content": "word " * (prompt_tokens * CHARACTERS_PER_TOKEN // 5)}
        ],
    }
    headers = {"authorization": f"Bearer {key}"} if key else {}
    started = time.perf_counter()
    first, chunks, tokens = 0.0, 0, 0
    try:
        with httpx.stream(
            "POST", f"{url}/chat/completions", json=body, headers=headers, timeout=TIMEOUT
        ) as answer:
            if answer.status_code != httpx.codes.OK:
                answer.read()
                raise _refused(url, f"{answer.status_code} {answer.text[:200]}")
            for event in _events(answer):
                if event.get("choices"):
                    chunks += 1
                    first = first or time.perf_counter() - started
                usage = event.get("usage") or {}
                tokens = usage.get("completion_tokens", tokens)
    except httpx.HTTPError as error:
        raise _refused(url, str(error)) from error
    return Answer(first, time.perf_counter() - started, chunks, tokens or chunks)


def load(
    url: str, model: str, *, prompt_tokens: int, answer_tokens: int, connections: int, key: str = ""
) -> Load:
    """As many chats at the same time as ``connections``, once."""
    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        waiting = [
            pool.submit(chat, url, model, prompt_tokens, answer_tokens, key)
            for _ in range(connections)
        ]
        answers = tuple(item.result() for item in waiting)
    return Load(connections, answers, time.perf_counter() - started)


def _events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def _refused(url: str, why: str) -> InputError:
    return InputError(
        Diagnostic(
            "bench.refused", f"`{url}` answered: {why}", hint="`llmgen status` says what runs"
        )
    )
