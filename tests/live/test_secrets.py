"""Planted keys are nowhere but in the private folder: not in files, logs, dumps or JSON."""

import json
import stat

import pytest
import stack as live
from shared_stack import ALICE, BOB, MASTER

pytestmark = [pytest.mark.reader("llama-server"), pytest.mark.reader("envoy")]

PLANTED = tuple(key.encode() for key in (ALICE, BOB, MASTER))


def found_in(content):
    return [key for key in PLANTED if key in content]


def test_no_generated_file_holds_a_key(stack):
    assert [item.path for item in stack.tree if found_in(item.content)] == []


def test_the_filled_files_are_private_and_complete(stack):
    folder = stack.folder / "run" / "envoy"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert modes.keys() == {"cds.yaml", "rds.yaml", "lds.yaml"}
    text = (folder / "rds.yaml").read_bytes()
    assert found_in(text) == [ALICE.encode(), BOB.encode()]
    assert b"@llmgen:" not in text


def test_no_log_and_no_dump_holds_a_key(stack):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    for key in (ALICE, BOB, "sk-wrong-guess"):
        live.post(f"{stack.url}/v1/chat/completions", body, authorization=f"Bearer {key}")
        live.post(f"{stack.url}/v1/embeddings", {"input": "x"}, x_api_key=key)
    live.until(lambda: "sk-wrong" not in stack.log("envoy") and "401" in stack.log("envoy"), 5)
    outside = (*stack.folder.glob("logs/*"), *stack.folder.glob("state/**/*"))
    assert [path for path in outside if path.is_file() and found_in(path.read_bytes())] == []
    for page in ("config_dump?include_eds", "clusters", "server_info", "stats"):
        assert found_in(live.get(f"{stack.admin}/{page}")[1].encode()) == []


def test_the_command_says_what_it_wrote_and_no_key(stack):
    done = stack.run(
        (str(live.LLMGEN), "keys", "--json", str(stack.folder / "etc" / "envoy" / "keys.json")),
        stack.variables(stack.services["envoy"]),
    )
    assert json.loads(done.stdout)["data"] == {"written": []}
    assert found_in((done.stdout + done.stderr).encode()) == []
