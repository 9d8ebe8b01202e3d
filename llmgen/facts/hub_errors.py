"""What the Hub answered, as one sentence and what to do about it."""

from __future__ import annotations

from llmgen.errors import Diagnostic, InputError

_LOGIN = "run `hf auth login`, or set HF_TOKEN to a token that may read it"


def hub_error(error: Exception, repo: str, what: str = "") -> InputError:
    """The refusal for an error of huggingface_hub or of the network below it."""
    names = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    code, message, hint = _meaning(names, status, repo, what)
    return InputError(Diagnostic(code, message, hint=hint))


def _meaning(names: set[str], status: int | None, repo: str, what: str) -> tuple[str, str, str]:
    # By name: huggingface_hub's network library differs between its versions.
    if "OfflineModeIsEnabled" in names:
        return "hub.offline", "the Hub is switched off (HF_HUB_OFFLINE)", "unset HF_HUB_OFFLINE"
    if "GatedRepoError" in names:
        hint = f"accept its terms on its page, then {_LOGIN}"
        return "hub.gated", f"`{repo}` is gated and this token has no access", hint
    if "RevisionNotFoundError" in names:
        hint = "check `revision`; a locked commit that is gone needs `llmgen lock --update`"
        return "hub.no-revision", f"`{repo}` has no revision `{what}`", hint
    if "RepositoryNotFoundError" in names:
        hint = f"check the name; for a private repository {_LOGIN}"
        return "hub.not-found", f"there is no `{repo}`, or it is private", hint
    if "EntryNotFoundError" in names:
        return "hub.no-file", f"`{repo}` has no file `{what}`", "run `llmgen lock --update`"
    if status == 429:
        hint = "wait a few minutes; with a token (HF_TOKEN) the limits are higher"
        return "hub.rate-limited", "the Hub refuses more requests for now", hint
    if status in {401, 403}:
        return "hub.forbidden", f"the Hub refuses access to `{repo}`", _LOGIN
    if status is not None:
        return "hub.failed", f"the Hub answers {status} for `{repo}`", "try again later"
    hint = "check the network (and HF_ENDPOINT, HTTPS_PROXY where they are set)"
    return "hub.unreachable", f"the Hub cannot be reached for `{repo}`", hint
