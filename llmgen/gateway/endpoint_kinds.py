"""The endpoints that a gateway serves, by kind: paths, which roles answer, how paths are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

# llama-swap knows these paths only with a version, or with `/v`, which it strips
# (llama-swap v250, README "unversioned endpoints").
_UNVERSIONED: Final = ("^/(chat/completions|completions|responses|embeddings)$", r"/v/\1")
# Everything else of a server behind llama-swap is below /upstream/MODEL.
_UPSTREAM: Final = "upstream"


class EndpointKind(Struct, frozen=True):
    """One kind of endpoint.

    ``paths`` is an RE2 expression for the whole path. ``roles`` may answer; a request without a
    model goes to the default of the first of these roles that has one, after ``prefer`` (path
    expression to role). ``swap`` is what llama-swap needs of the path: a (pattern, substitution),
    ``"upstream"``, or nothing. ``aside`` requests are cheap and do not wait for a slot.
    ``readable`` answers are small enough that token counts may be read from them; ``multipart``
    bodies are forms, in which the model is looked for apart.
    """

    name: str
    paths: str
    roles: tuple[str, ...]
    swap: tuple[str, str] | str = ""
    prefer: Mapping[str, str] = field(default_factory=dict)
    aside: bool = False
    readable: bool = False
    multipart: bool = False


TEXT_ROLES: Final = ("chat", "vision", "completion")

# From llama-server b11434's route table and llama-swap v250's; rerank has no unversioned trap.
KINDS: Final = (
    EndpointKind(
        "text",
        r"(/v1)?/(chat/completions|completions|responses)|/v1/messages|/completion|/infill",
        TEXT_ROLES,
        swap=_UNVERSIONED,
        prefer={r"(/v1)?/completions|/completion|/infill": "completion"},
        readable=True,
    ),
    EndpointKind(
        "count",
        r"/v1/messages/count_tokens|(/v1)?/(chat/completions|responses)/input_tokens"
        r"|/tokenize|/detokenize|/apply-template",
        (*TEXT_ROLES, "embedding", "rerank"),
        swap=_UPSTREAM,
        aside=True,
    ),
    EndpointKind("embedding", r"(/v1)?/embeddings", ("embedding",), swap=_UNVERSIONED),
    EndpointKind("embedding-own", r"/embedding", ("embedding",), swap=_UPSTREAM),
    EndpointKind("rerank", r"(/v1)?/rerank(ing)?", ("rerank",)),
    EndpointKind("speech", r"/v1/audio/speech", ("speech",)),
    EndpointKind("image", r"/v1/images/generations", ("image",)),
    EndpointKind("image-form", r"/v1/images/(edits|variations)", ("image",), multipart=True),
    EndpointKind(
        "transcription",
        r"/v1/audio/(transcriptions|translations)",
        ("transcription",),
        multipart=True,
    ),
)
