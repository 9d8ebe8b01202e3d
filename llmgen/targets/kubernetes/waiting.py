"""The init container in which a pod waits until the claim has every file of its models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from llmgen.engines.container import MODELS
from llmgen.targets.kubernetes.init_container import init_container
from llmgen.targets.kubernetes.names import Object, literal

# `llmgen pull` puts a file in place when all of it is there and its digest is right; what others
# copy there grows until it has its size. The shell is process 1, which no signal ends by itself.
_SCRIPT: Final = """\
trap 'exit 143' TERM
there() {
  [ -e "$1" ] && { [ "$2" -lt 0 ] || [ "$(stat -L -c %s "$1")" = "$2" ]; }
}
while [ "$#" -gt 0 ]; do
  if ! there "$1" "$2"; then
    echo "waiting for $1"
    until there "$1" "$2"; do sleep 5; done
  fi
  shift 2
done
"""


def container(image: str, files: Mapping[PurePosixPath, int]) -> Object:
    """A container of the server's own image that ends when all files have their sizes."""
    words = [word for path, size in files.items() for word in (str(path), str(size))]
    return init_container(
        "models-there",
        image,
        ("/bin/sh", "-euc", literal(_SCRIPT), "wait"),
        [{"name": "models", "mountPath": MODELS, "readOnly": True}],
        args=[literal(word) for word in words],
    )
