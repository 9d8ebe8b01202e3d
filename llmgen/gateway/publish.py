"""Fill generated files with secrets and put them into the private runtime folder, atomically."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from llmgen.apply.failure import cannot_write
from llmgen.apply.files import make_folder
from llmgen.config.tables.base import Secret
from llmgen.errors import Diagnostic, InputError
from llmgen.gateway.secrets import check_values, fill, read_manifest

# systemd puts a unit's credentials there.
CREDENTIALS = "CREDENTIALS_DIRECTORY"


def publish(path: Path) -> tuple[Path, ...]:
    """Do what the manifest at ``path`` says; the files that changed, in the order of writing.

    Every file is filled before the first is written; each is written beside its place and renamed,
    which is what Envoy watches for.
    """
    try:
        manifest = read_manifest(path.read_bytes())
        texts = {item.name: (path.parent / item.name).read_text("utf-8") for item in manifest.files}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            Diagnostic(
                "keys.no-manifest",
                f"`{path}` or a file that it names cannot be read: {_reason(error)}",
                hint="`llmgen install` writes it",
            )
        ) from error
    values = read_values(manifest.secrets)
    check_values(manifest, values)
    filled = {
        item.name: fill(texts[item.name], values, item.syntax).encode() for item in manifest.files
    }
    owner = manifest.owner if os.geteuid() == 0 else None
    return _write(Path(manifest.into), filled, owner)


def read_values(secrets: Mapping[str, Secret]) -> dict[str, str]:
    """The value of each secret; InputError names those that are not there."""
    found: dict[str, str] = {}
    missing: list[Diagnostic] = []
    for name, secret in secrets.items():
        try:
            found[name] = _value(secret)
        except (OSError, LookupError, UnicodeDecodeError) as error:
            missing.append(
                Diagnostic(
                    "keys.missing",
                    f"the secret `{name}` is not there: {_reason(error)}",
                    hint=_hint(secret),
                )
            )
    if missing:
        raise InputError(missing)
    return found


def _value(secret: Secret) -> str:
    if secret.env is not None:
        return os.environ[secret.env]
    if secret.file is not None:
        return _first_line(Path(secret.file))
    return _first_line(Path(os.environ[CREDENTIALS]) / str(secret.credential))


def _first_line(path: Path) -> str:
    return path.read_text("utf-8").partition("\n")[0].rstrip("\r")


def _reason(error: Exception) -> str:
    match error:
        case OSError():
            return f"`{error.filename}`: {error.strerror}"
        case KeyError():
            return f"`${error.args[0]}` is not set"
        case _:
            return type(error).__name__


def _hint(secret: Secret) -> str:
    if secret.env is not None:
        return f"put `{secret.env}=...` into the service's secrets.env, or set it in this shell"
    if secret.file is not None:
        return f"write the key as the first line of `{secret.file}`, readable for the service alone"
    return f"store it with `systemd-creds` or below /etc/credstore as `{secret.credential}`"


def _write(
    folder: Path, filled: Mapping[str, bytes], owner: tuple[int, int] | None
) -> tuple[Path, ...]:
    try:
        make_folder(folder, 0o700)
        _keep_private(folder, owner)
        changed = [name for name, content in filled.items() if not _same(folder / name, content)]
        written = tuple(_replace(folder / name, filled[name], owner) for name in changed)
        # What an earlier llm.toml needed holds keys that may have been revoked.
        for path in folder.iterdir():
            # Sockets are those of the running Envoy.
            if path.name not in filled and not path.is_socket():
                path.unlink()
    except OSError as error:
        raise InputError(cannot_write(folder, error, "keys.unwritable")) from error
    return written


def _keep_private(folder: Path, owner: tuple[int, int] | None) -> None:
    """Nobody else may look into the folder; InputError when it is another user's, or a link.

    Root gives it to the ``owner``, for whom it fills the files.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        allowed = {os.geteuid(), *(owner[:1] if owner else ())}
        if os.fstat(descriptor).st_uid not in allowed:
            raise InputError(
                Diagnostic(
                    "keys.not-private",
                    f"`{folder}` belongs to another user, who could read the keys in it",
                    hint="run `llmgen keys` as that user, or restart the service; a folder that "
                    "no service of yours made has to go",
                )
            )
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def _same(path: Path, content: bytes) -> bool:
    return path.exists() and path.read_bytes() == content


def _replace(path: Path, content: bytes, owner: tuple[int, int] | None) -> Path:
    # mkstemp makes the file 0600 from its first moment.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return path
