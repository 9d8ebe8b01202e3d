"""The zipapp, run where no package of it is installed, and its bill of materials."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import llmgen

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.thorough, pytest.mark.reader("requirements.txt")]


def test_it_generates_what_a_checkout_does(zipapp, tmp_path):
    (program,) = zipapp.glob("*.pyz")
    for name in ("llm.toml", "llm.lock"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(
        [program, "generate"],
        cwd=tmp_path,
        # Its first line finds the Python that it is for.
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "SHIV_ROOT": str(tmp_path / "shiv"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = tmp_path / "generated" / "CONFIGURATION.md"
    assert made.read_bytes() == ROOT.joinpath("generated", "CONFIGURATION.md").read_bytes()


def test_the_bill_names_every_package_with_a_licence(zipapp):
    (path,) = zipapp.glob("*.cdx.json")
    bill = json.loads(path.read_text("utf-8"))
    about = bill["metadata"]["component"]
    assert (about["name"], about["version"]) == ("llmgen", llmgen.__version__)
    listed = {item["name"].lower().replace("_", "-") for item in bill["components"]}
    assert {"pydantic-core", "msgspec", "huggingface-hub", "markupsafe"} <= listed
    assert [item["name"] for item in bill["components"] if not item.get("licenses")] == []
    needs = {item["ref"]: item.get("dependsOn", []) for item in bill["dependencies"]}
    assert any(name.startswith("pydantic==") for name in needs[about["bom-ref"]])
    # Extras for those who work on llmgen are in no package.
    assert not any(name.startswith("packaging==") for name in needs[about["bom-ref"]])
