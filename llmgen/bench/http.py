"""Load over HTTP: streaming chats against an endpoint, times of first token and of each token."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from msgspec import Struct

from llmgen.errors import Diagnostic, InputError
from llmgen.web.completion import completion

# Four characters are about one token of English text.
CHARACTERS_PER_TOKEN = 4


class StreamedAnswer(Struct, frozen=True):
    """One streamed answer: seconds to the first token and to the end, chunks with text."""

    first_seconds: float
    total_seconds: float
    chunks: int
    completion_tokens: int


class Load(Struct, frozen=True):
    """A round of requests at the same time."""

    connections: int
    answers: tuple[StreamedAnswer, ...]
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens of all answers in a second."""
        return sum(item.completion_tokens for item in self.answers) / self.seconds


def chat(
    url: str, model: str, prompt_tokens: int, answer_tokens: int, key: str = ""
) -> StreamedAnswer:
    """Stream one chat; InputError when the server does not answer as an OpenAI server does."""
    body = {
        "model": model,
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
        for event in completion(f"{url}/chat/completions", body, headers):
            if event.get("choices"):
                chunks += 1
                first = first or time.perf_counter() - started
            tokens = _counted(event.get("usage")) or tokens
    except httpx.HTTPError as error:
        raise _refused(url, str(error) or type(error).__name__) from error
    return StreamedAnswer(first, time.perf_counter() - started, chunks, tokens or chunks)


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


def _counted(usage: object) -> int:
    """The tokens that a server says it made."""
    match usage:
        case {"completion_tokens": int() as tokens} if tokens >= 0:
            return tokens
        case _:
            return 0


def _refused(url: str, why: str) -> InputError:
    message = f"`{url}` does not answer: {why}"
    return InputError(Diagnostic("bench.refused", message, hint="`llmgen status` says what runs"))
