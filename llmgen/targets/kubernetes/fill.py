"""What joins and fills a program's files before it starts, with a shell's own words alone.

A gateway's files hold a mark for each key (`llmgen keys` fills them on a machine). In a pod an
init container of the same image does it, from the files of the Secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from llmgen.config.tables.base import PLACEHOLDER
from llmgen.gateway.secrets import Manifest
from llmgen.render.quoting import shell
from llmgen.targets.kubernetes.config_maps import part
from llmgen.targets.kubernetes.init_container import init_container
from llmgen.targets.kubernetes.names import FILES, Object

# Where the Secret's entries lie while files are filled, and files that are still in parts.
KEYS: Final = PurePosixPath("/run/llmgen/keys")
SOURCE: Final = PurePosixPath("/run/llmgen/source")
# The script's own place among the files of a program.
NAME: Final = "fill.sh"
# Reads a file line by line; what stands between marks is copied, a mark's secret is escaped for
# double quotes. `read` drops no character but the end of the line.
_FUNCTIONS: Final = r"""umask 077
LC_ALL=C
escaped() {
  text=$1 out=
  while [ -n "$text" ]; do
    rest=${text#?} char=${text%"$rest"}
    case $char in '"'|\\) out="$out\\$char";; '$'|'`') out="$out$2$char";; *) out=$out$char;; esac
    text=$rest
  done
}
value() {
  case $1 in
CASES
    *) echo "nobody says where the key $1 is" >&2; exit 1;;
  esac
  IFS= read -r secret < "$place" || [ -n "$secret" ]
  case $secret in
    ''|*[!!-~]*) echo "the key $1 is empty or no line of printable ASCII" >&2; exit 1;;
  esac
}
filled() {
  while IFS= read -r line || [ -n "$line" ]; do
    while :; do
      case $line in *MARK*@*) ;; *) break;; esac
      printf '%s' "${line%%MARK*}"
      line=${line#*MARK} name=${line%%@*} line=${line#*@}
      value "$name"
      case $2 in line) out=$secret;; yaml) escaped "$secret" '';; *) escaped "$secret" '\';; esac
      printf '%s' "$out"
    done
    printf '%s\n' "$line"
  done < "$1" > "$3"
}
"""


def script(
    manifest: Manifest | None,
    entries: Mapping[str, str],
    paths: Iterable[str],
    parts: Mapping[str, int],
) -> str:
    """The script: files in parts are joined below ``FILES``, marks filled into the keys' folder.

    ``entries`` are those of the Secret by the names that marks have; ``paths`` are all files.
    """
    return "".join(_script(manifest, entries, paths, parts))


def container(image: str, *, parts: bool, mounts: Sequence[Object] = ()) -> Object:
    """What runs the script, with the folders that it fills; it reads the files where they are."""
    source = SOURCE if parts else FILES
    found: list[Object] = [{"name": "files", "mountPath": str(source), "readOnly": True}]
    if parts:
        found.append({"name": "joined", "mountPath": str(FILES)})
    return init_container("files", image, ("/bin/sh", "-eu", str(source / NAME)), (*found, *mounts))


def _script(
    manifest: Manifest | None,
    entries: Mapping[str, str],
    paths: Iterable[str],
    parts: Mapping[str, int],
) -> Iterator[str]:
    if parts:
        yield from _joined(paths, parts)
    if manifest is None or not manifest.files:
        return
    cases = "\n".join(
        f"    {shell(name)}) place={shell(str(KEYS / entry))};;" for name, entry in entries.items()
    )
    yield _FUNCTIONS.replace("MARK", PLACEHOLDER).replace("CASES", cases)
    folder = FILES / manifest.into.name
    for item in manifest.files:
        told, place = shell(str(folder / item.name)), shell(str(manifest.into / item.name))
        yield f"filled {told} {item.syntax} {place}\n"


def _joined(paths: Iterable[str], parts: Mapping[str, int]) -> Iterator[str]:
    """Every file of the program at its place, those in parts in whole."""
    yield "umask 022\n"
    for path in paths:
        place = FILES / path
        count = parts.get(path, 0)
        names = [part(path, number) for number in range(count)] if count else [path]
        pieces = " ".join(shell(str(SOURCE / name)) for name in names)
        yield f"mkdir -p {shell(str(place.parent))}\ncat {pieces} > {shell(str(place))}\n"
