"""The bill of materials: every package of the zipapp with version, licence and what it needs."""

import json
import sys

from project import ROOT
from python import run


def write(project, made, output):
    """`llmgen-VERSION.cdx.json`, CycloneDX 1.6, valid by CycloneDX's own schema."""
    path = output / f"{project.name}-{project.version}.cdx.json"
    about = made / "pyproject.toml"
    about.write_text(described(project), "utf-8")
    cyclonedx = [sys.executable, "-m", "cyclonedx_py", "environment", made / "bin" / "python"]
    how = ["--spec-version", "1.6", "--output-reproducible", "--validate"]
    what = ["--pyproject", about, "--mc-type", "application"]
    run([*cyclonedx, *how, *what, "--output-file", path], ROOT)
    return path


def described(project):
    """The project with its version, and without extras, which no package has inside.

    A JSON string is a TOML string too.
    """
    metadata = project.metadata
    urls = "".join(f"{name} = {json.dumps(url)}\n" for name, url in metadata.project_urls.items())
    needs = json.dumps([str(item) for item in project.requirements])
    return (
        f"[project]\nname = {json.dumps(project.name)}\nversion = {json.dumps(project.version)}\n"
        f"description = {json.dumps(metadata.summary)}\n"
        f"license = {json.dumps(metadata.license_expression)}\n"
        f"dependencies = {needs}\n\n[project.urls]\n{urls}"
    )
