"""Rules are those of Linux: for another system nothing is printed that nobody there can read."""

import pytest
from click.testing import CliRunner

from llmgen.cli.boundary import root

TEXT = """
edition = 1
[hardware]
profile = "apple-silicon-64gb"
[paths]
home = "/Users/me"
"""
EXPOSED = """
[gateway.envoy]
listen = ["0.0.0.0"]
api_keys = [{ name = "me", secret = { env = "KEY" } }]
tls = { cert = "/c.pem", key = "/k.pem" }
"""


@pytest.mark.parametrize(("more", "hint"), [("", "nothing is exposed"), (EXPOSED, "4001 (envoy)")])
def test_macos_gets_no_rules_of_linux(tmp_path, more, hint):
    path = tmp_path / "llm.toml"
    path.write_text(TEXT + more)
    result = CliRunner().invoke(root, ["-c", str(path), "firewall"], prog_name="llmgen")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "error[firewall.other-system]" in result.stderr
    assert hint in result.stderr
