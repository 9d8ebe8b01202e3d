"""clients/dotenv/.env: what a script reads is what llm.toml says, and importing it gives it back."""

import subprocess

from targets.plans import plan

from llmgen.importing.stacks import from_environment
from llmgen.render.environment import make_render
from llmgen.targets import clients

TEXT = """
[targets.clients]
formats = ["dotenv"]
[naming]
prefix = "ls/"
[services.llama_swap]
port = 5847
[defaults]
ttl = "30m"
ctx_size = 8192
parallel = 2
[guard]
enable = true
threshold = 75
[models.a]
model = "a.gguf"
"""


def written(text=TEXT):
    (found,) = clients.artifacts(plan(text), make_render())
    return found


def test_a_shell_reads_what_llm_toml_says(tmp_path):
    found = written()
    assert str(found.path) == "clients/dotenv/.env"
    (tmp_path / ".env").write_bytes(found.content)
    script = 'set -a; . ./.env; echo "$LLAMA_SWAP_PORT $MODEL_TTL $MODEL_PREFIX $MODELS_DIR"'
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["5847", "1800", "ls/", "/srv/models"]


def test_importing_it_gives_the_keys_back():
    tables = from_environment(written().content.decode()).tables
    assert tables["services", "llama_swap"]["port"] == 5847
    assert tables["naming",] == {"prefix": "ls/"}
    assert tables["defaults",] == {"ttl": 1800, "ctx_size": 8192, "parallel": 2}
    assert tables["guard",]["threshold"] == 75


def test_what_the_stack_has_not_is_not_there():
    text = TEXT.replace("enable = true", "enable = false")
    assert b"LITELLM_PORT" not in written(text).content
    assert b"MEMORY_PRESSURE" not in written(text).content
