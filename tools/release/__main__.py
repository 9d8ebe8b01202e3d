"""`make release`: every package of llmgen below dist/, with checksums and a bill of materials.

The same commit gives the same bytes: times are SOURCE_DATE_EPOCH, which is the commit's own where
nobody says it. What is built is what lies in the folder; with a tag it has to be what is committed.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import bill
import debian
import homebrew
import python
from project import ROOT, read

# What needs a program that not every machine has, or the network, is a part of its own.
PARTS = ("python", "schema", "homebrew", "debian", "pyz")


def main():
    """Build the parts that are asked for; without any, all of them."""
    parser = argparse.ArgumentParser(prog="tools/release", description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--tag", help="refuse when it is not v and the version, or not committed")
    asked = parser.parse_args()
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(python.epoch()))
    os.umask(0o022)
    parts, output = asked.only or PARTS, asked.output.resolve()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sdist, wheel = python.build(folder)
        project = read(wheel, sdist)
        if asked.tag is not None:
            refuse_other_tags(asked.tag, project.version)
        if "python" in parts:
            shutil.copy(sdist, output)
            shutil.copy(wheel, output)
        if "schema" in parts:
            shutil.copy(ROOT / "llmgen" / "data" / "llm.schema.json", output)
        if "homebrew" in parts:
            output.joinpath("llmgen.rb").write_text(homebrew.formula(project), "utf-8")
        if "debian" in parts:
            debian.source_package(project, folder / "debian", output)
        if "pyz" in parts:
            environment = python.environment(wheel, folder / "environment")
            python.zipapp(project, environment, output)
            bill.write(project, environment, output)
    output.joinpath("SHA256SUMS").write_text(sums(output), "utf-8")
    print("\n".join(sorted(path.name for path in output.iterdir())))


def refuse_other_tags(tag, version):
    """End when the tag is not this version's, or the folder is not what is committed."""
    if tag != f"v{version}":
        sys.exit(f"release: the tag is {tag}, and llmgen/__init__.py says {version}")
    if f"\n## {version}" not in ROOT.joinpath("CHANGELOG.md").read_text("utf-8"):
        sys.exit(f"release: CHANGELOG.md has no section {version}")
    words = ["git", "status", "--porcelain"]
    changed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    if changed:
        sys.exit(f"release: not committed:\n{changed}")


def sums(folder):
    """One line for each file, as `sha256sum --check` reads them."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    return "".join(f"{digest(path)}  {path.name}\n" for path in files)


def digest(path):
    """The file's SHA-256, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
