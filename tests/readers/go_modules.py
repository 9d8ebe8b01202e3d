"""Programs and files out of published Go modules, by the module proxy that Go is set to.

A folder below `go/` is a module of ours that has no code: its go.mod names programs of others as
tools, with the versions of all that they are made of, and its go.sum has the checksums. So they
compile where `go install MODULE@VERSION` refuses (it takes no `replace`).
"""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).with_name("go")


def compiled(folder, name, ldflags):
    """The tools of go/``name``/go.mod, in ``folder``/bin.

    They are static: a container or an older C library starts them, too.
    """
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath",
        "GOWORK": "off",
    }
    with replaced(folder) as made:
        words = ["go", "build", "-ldflags", ldflags, "-o", f"{made}/bin/", "tool"]
        subprocess.run(words, check=True, cwd=FOLDER / name, env=environment)


def copied(folder, module, checksum, keep):
    """The files of ``module`` (PATH@VERSION) that the patterns ``keep`` name, side by side."""
    words = ["go", "mod", "download", "-json", module]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=FOLDER)
    found = json.loads(done.stdout)
    if found["Sum"] != checksum:
        raise OSError(f"{module} is {found['Sum']}, and not {checksum}")
    with replaced(folder) as made:
        for pattern in keep:
            for path in Path(found["Dir"]).glob(pattern):
                # Files of the module cache may not be written.
                shutil.copyfile(path, made / path.name)


@contextlib.contextmanager
def replaced(folder):
    """An empty folder, which takes the place of ``folder`` when all went well in it."""
    made = folder.with_name(f"{folder.name}.made")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    yield made
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)
