"""The gateway's own answers, in the shape that OpenAI's and Anthropic's clients understand."""

from __future__ import annotations

from msgspec import Struct

INVALID = "invalid_request_error"


class ErrorBody(Struct, frozen=True):
    """``error`` of an answer; ``message`` may contain Envoy's ``%COMMANDS%``."""

    message: str
    type: str
    code: str
    param: str | None = None


class Reply(Struct, frozen=True):
    """What Envoy says instead of its own words for a status or for response flags.

    ``answer`` replaces the status; ``header`` is added.
    """

    error: ErrorBody
    status: int = 0
    flags: tuple[str, ...] = ()
    answer: int = 0
    header: tuple[str, str] | None = None


AGAIN = ("retry-after", "5")
OTHER = ErrorBody("%LOCAL_REPLY_BODY% (%RESPONSE_CODE_DETAILS%)", "server_error", "gateway_error")


def replies(body_limit: int) -> tuple[Reply, ...]:
    """The first that fits is taken; flags are those of Envoy's access log."""
    return (
        Reply(
            ErrorBody(
                "Missing or unknown API key. Send it as `Authorization: Bearer KEY` or "
                "`x-api-key: KEY`.",
                "authentication_error",
                "invalid_api_key",
            ),
            status=401,
            header=("www-authenticate", "Bearer"),
        ),
        Reply(
            ErrorBody("This API key may not use this endpoint.", "permission_error", "forbidden"),
            status=403,
        ),
        Reply(
            ErrorBody(
                f"The request body is larger than the gateway's limit of {body_limit} bytes.",
                INVALID,
                "request_too_large",
            ),
            status=413,
        ),
        Reply(
            ErrorBody(
                "Rate limit reached for this API key. Try again later.",
                "rate_limit_error",
                "rate_limit_exceeded",
            ),
            status=429,
            header=AGAIN,
        ),
        Reply(
            ErrorBody(
                "All slots of `%UPSTREAM_CLUSTER%` are busy and its queue is full. "
                "Try again later.",
                "rate_limit_error",
                "queue_full",
            ),
            flags=("UO",),
            answer=429,
            header=AGAIN,
        ),
        Reply(
            ErrorBody(
                "`%UPSTREAM_CLUSTER%` is not reachable (%RESPONSE_CODE_DETAILS%).",
                "server_error",
                "backend_unavailable",
            ),
            flags=("UH", "UF", "UC", "UR", "NC"),
            header=AGAIN,
        ),
        Reply(
            ErrorBody(
                "The backend did not answer in time (%RESPONSE_FLAGS%).", "server_error", "timeout"
            ),
            flags=("UT", "SI", "DT"),
        ),
    )
