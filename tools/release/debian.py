"""A source package for Debian: the sdist as it is, and debian/ filled in from the metadata.

It needs what Debian has in forky and later: trixie has no huggingface_hub 1.
"""

import os
import shutil
import tarfile
import tomllib
from datetime import UTC, datetime
from email.utils import format_datetime

from filling import TEMPLATES, fill
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT
from python import run

# Where Debian's name is not `python3-` and the package's own.
NAMES = {"pyyaml": "python3-yaml"}
# What is run, and not only read.
PROGRAMS = {"rules", "tests/plan"}


def source_package(project, folder, output):
    """`llmgen_VERSION-1.dsc`, with the two archives that it names."""
    folder.mkdir()
    original = folder / f"{project.name}_{project.version}.orig.tar.gz"
    shutil.copy(project.sdist, original)
    with tarfile.open(original) as packed:
        packed.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    write(project, unpacked / "debian")
    run(["dpkg-source", "--build", unpacked.name], folder)
    for pattern in ("*.orig.tar.gz", "*.debian.tar.xz", "*.dsc"):
        (found,) = folder.glob(pattern)
        shutil.copy(found, output)


def write(project, folder):
    """debian/ itself."""
    values = {
        "project": project,
        "build_depends": [depends(item) for item in (*backend(), *speaking(project))],
        "depends": [depends(item) for item in project.requirements],
        "date": format_datetime(datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)),
        **licence(project),
    }
    templates = TEMPLATES / "debian"
    for source in sorted(path for path in templates.rglob("*") if path.is_file()):
        name = source.relative_to(templates).as_posix()
        made = folder / name.removesuffix(".j2")
        made.parent.mkdir(parents=True, exist_ok=True)
        text = fill(f"debian/{name}", **values) if source.suffix == ".j2" else source.read_text()
        made.write_text(text, "utf-8")
        made.chmod(0o755 if name in PROGRAMS else 0o644)


def depends(requirement):
    """`click>=8.1` as Debian writes it."""
    name = canonicalize_name(requirement.name)
    debian = NAMES.get(name, f"python3-{name}")
    (bound,) = requirement.specifier
    if bound.operator != ">=":
        raise ValueError(f"{requirement}: only a lowest version has a word in Debian")
    return f"{debian} (>= {bound.version})"


def backend():
    """What builds the wheel."""
    project = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))
    return map(Requirement, project["build-system"]["requires"])


def speaking(project):
    """What `llmgen completion` needs, which the build asks."""
    return [item for item in project.requirements if item.name in {"click", "msgspec"}]


def licence(project):
    """The copyright line and the text of LICENSE, as debian/copyright has them."""
    title, _, rest = ROOT.joinpath("LICENSE").read_text("utf-8").partition("\n\n")
    line, _, text = rest.partition("\n\n")
    if title != "MIT License" or project.metadata.license_expression != "MIT":
        raise ValueError("debian/copyright calls the MIT licence Expat, and knows no other")
    return {
        "copyright": line.removeprefix("Copyright (c) "),
        "license": "Expat",
        "license_text": text.rstrip("\n").split("\n"),
    }
