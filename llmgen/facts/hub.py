"""The Hub: what a repository holds, and bytes out of its files, through huggingface_hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from llmgen.errors import InputError
from llmgen.facts.gguf import GgufHeader, read_header
from llmgen.facts.gguf_facts import GgufFacts, ModelFile
from llmgen.facts.header import describe
from llmgen.facts.hub_errors import hub_error
from llmgen.facts.hub_names import HubFile, HubRef, choose
from llmgen.facts.refusals import refused
from llmgen.units import MIB
from llmgen.web.limits import DOWNLOAD, HEAD, HUB, Limits
from llmgen.web.watch import Watch, heeding

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TIMEOUT_SECONDS: Final = 30.0
PARTIAL: Final = 206
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_OTHER: Final = "check the network: a login page may answer instead (and HF_ENDPOINT, HTTPS_PROXY)"


class Repository(Struct, frozen=True):
    """A repository's files at the commit to which a branch or tag points now."""

    repo: str
    commit: str
    files: tuple[HubFile, ...]


class Hub(Struct, frozen=True):
    """The Hub, or a mirror at ``endpoint``; the token is the one that huggingface_hub finds."""

    endpoint: str | None = None

    def repository(self, repo: str, revision: str | None = None) -> Repository:
        """Commit and files of a revision, in one request."""
        with _explained(repo, revision or "", HUB):
            found = self._api().model_info(
                repo, revision=revision, files_metadata=True, timeout=HUB.wait_seconds
            )
            files = tuple(_file(item) for item in found.siblings or ())
            if not _COMMIT.fullmatch(found.sha or ""):
                raise ValueError(found.sha)
        return Repository(repo, str(found.sha), files)

    def facts(self, repository: Repository, ref: HubRef) -> GgufFacts:
        """The facts of the model that ``ref`` means."""
        return self.read(repository, choose(repository.files, ref))

    def read(self, repository: Repository, files: Sequence[HubFile]) -> GgufFacts:
        """The facts of one model, all its files, from their first bytes."""
        headers: list[GgufHeader] = []
        for file in files:
            source = HubSource(self, repository, file)
            headers.append(read_header(source, headers[-1] if headers else None))
        names = [f"{repository.repo}/{file.path}" for file in files]
        return describe(
            headers,
            [
                ModelFile(name, file.size_bytes, file.sha256)
                for name, file in zip(names, files, strict=True)
            ],
        )

    @contextmanager
    def stream(
        self, at: tuple[str, str, str], start: int, end: int, limits: Limits = DOWNLOAD
    ) -> Iterator[Iterator[bytes]]:
        """Bytes ``start`` to ``end`` of a file (repository, commit, path) in pieces."""
        from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status

        repo, commit, path = at
        url = hf_hub_url(repo, path, revision=commit, endpoint=self.endpoint)
        headers = {**self._headers(), "Range": f"bytes={start}-{end - 1}"}
        with (
            _explained(repo, path, limits),
            heeding(get_session()).stream(
                "GET", url, headers=headers, timeout=TIMEOUT_SECONDS
            ) as answer,
        ):
            if answer.is_error:
                answer.read()
                hf_raise_for_status(answer)
            # A server that sends the whole file instead must not be listened to.
            if answer.status_code != PARTIAL:
                raise refused(
                    "hub-range",
                    f"the Hub does not send parts of `{repo}/{path}`",
                    "check HF_ENDPOINT: a mirror has to answer range requests",
                )
            yield _at_most(answer.iter_raw(), end - start)

    def _api(self) -> HfApi:
        from huggingface_hub import HfApi, get_session

        heeding(get_session())
        return HfApi(endpoint=self.endpoint, library_name="llmgen")

    def _headers(self) -> dict[str, str]:
        from huggingface_hub.utils import (  # type: ignore[attr-defined]  # mypy wants it in __all__
            build_hf_headers,
        )

        # Sizes are of the stored bytes: nothing may be compressed on the way.
        return {**build_hf_headers(library_name="llmgen"), "Accept-Encoding": "identity"}


class HubSource(Struct, frozen=True):
    """A file on the Hub, read by range requests."""

    hub: Hub
    repository: Repository
    file: HubFile

    @property
    def name(self) -> str:
        """Repository and path."""
        return f"{self.repository.repo}/{self.file.path}"

    @property
    def size(self) -> int:
        """As the Hub says."""
        return self.file.size_bytes

    @property
    def largest_piece(self) -> int:
        """Every request is a way there and back."""
        return 4 * MIB

    def read_at(self, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset``, fewer at the end."""
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        at = (self.repository.repo, self.repository.commit, self.file.path)
        with self.hub.stream(at, offset, end, HEAD) as pieces:
            return b"".join(pieces)[: end - offset]


@contextmanager
def _explained(repo: str, what: str, limits: Limits) -> Iterator[None]:
    from huggingface_hub import errors

    # Its network library's base class, whichever that is in this version.
    network = errors.HTTPError  # type: ignore[attr-defined]  # mypy wants it in __all__
    kinds: tuple[Any, ...] = (network, OSError, errors.HFValidationError)
    name = f"{repo}/{what}" if what else repo
    try:
        with Watch(name, limits, _OTHER):
            yield
    except InputError:
        raise
    except kinds as error:
        raise hub_error(error, repo, what) from None
    # What the client raises for an answer that is not the Hub's: a login page, another server.
    except (AttributeError, LookupError, TypeError, ValueError):
        raise refused(
            "hub-answer",
            f"what answers for `{repo}` does not speak as the Hub does",
            _OTHER,
        ) from None


def _file(item: Any) -> HubFile:  # noqa: ANN401 - huggingface_hub's own type promises too much
    size, digest = item.size or 0, item.lfs.sha256 if item.lfs else ""
    if type(size) is not int or size < 0 or (digest and not _SHA256.fullmatch(digest)):
        raise ValueError(item.rfilename)
    return HubFile(item.rfilename, size, digest)


def _at_most(pieces: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The first ``count`` bytes; a server that sends more is not listened to any longer."""
    for piece in pieces:
        yield piece[:count]
        count -= len(piece)
        if count <= 0:
            return
