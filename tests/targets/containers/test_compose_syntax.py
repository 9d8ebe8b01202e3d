"""Hostile values stay literal in compose.yaml and its .env, as docker compose itself reads them."""

import json
import subprocess

import pytest
import readers
from hostile_texts import hostile

from llmgen.render.quoting import Variable, compose, compose_env

COUNT = 10_000


def read(folder, text, environment=""):
    """The document as docker compose has it after reading; `$` is doubled in what it prints."""
    (folder / "compose.yaml").write_text(text, "utf-8")
    (folder / ".env").write_text(environment, "utf-8")
    done = subprocess.run(
        [readers.find("docker-compose"), "config", "--format", "json"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.replace("$$", "$"))


def service(lines):
    return "name: x\nservices:\n  a:\n    image: x\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.thorough
@pytest.mark.reader("docker-compose")
def test_values_names_and_words_are_read_back(tmp_path):
    texts = hostile(COUNT, 16)
    lines = ["command:", *(f"  - {compose(text)}" for text in texts)]
    lines += ["labels:", *(f"  v{number}: {compose(text)}" for number, text in enumerate(texts))]
    found = read(tmp_path, service(lines))["services"]["a"]
    assert found["command"] == texts
    assert [found["labels"][f"v{number}"] for number in range(COUNT)] == texts


@pytest.mark.thorough
@pytest.mark.reader("docker-compose")
def test_values_of_the_environment_file_are_read_back(tmp_path):
    texts = hostile(COUNT, 17, tabs=False)
    lines = [f"v{number}: {compose(Variable(f'V{number}', '/$x'))}" for number in range(COUNT)]
    values = "".join(f"V{number}={compose_env(text)}\n" for number, text in enumerate(texts))
    found = read(tmp_path, service(["labels:", *(f"  {line}" for line in lines)]), values)
    labels = found["services"]["a"]["labels"]
    assert [labels[f"v{number}"] for number in range(COUNT)] == [f"{text}/$x" for text in texts]


@pytest.mark.reader("docker-compose")
def test_mounts_are_not_split(tmp_path):
    places = [f"/srv/{number}{text}" for number, text in enumerate(hostile(300, 18))]
    mounts = (
        compose({"type": "bind", "source": place, "target": f"/m/{number}"})
        for number, place in enumerate(places)
    )
    found = read(tmp_path, service(["volumes:", *(f"  - {mount}" for mount in mounts)]))
    read_back = {item["target"]: item["source"] for item in found["services"]["a"]["volumes"]}
    assert read_back == {f"/m/{number}": place for number, place in enumerate(places)}


def test_control_characters_have_no_place_in_an_environment_file():
    with pytest.raises(ValueError, match="line break"):
        compose_env("a\nb")
