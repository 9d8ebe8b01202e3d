"""Client files as the clients themselves read them; Zed's by the types in its source."""

import ast
import json
import os
import re
import subprocess
import sys

import pytest
import readers
import yaml
from targets.plans import STACK, plan

from llmgen.render.environment import make_render
from llmgen.targets import clients

# It starts without asking a registry of models or versions, and writes to its own home.
ALONE = {
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "LLM_API_KEY": "sk-client",
}


def content(name, text=STACK):
    made = clients.artifacts(plan(text), make_render())
    return next(item.content for item in made if item.path.name == name)


def opencode(folder, document, *words):
    """What the real program says in a folder with this opencode.json."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (folder / "opencode.json").write_text(json.dumps(document))
    return subprocess.run(
        [readers.find("opencode"), *words, "--pure"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **ALONE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def listed(text):
    """The models of `opencode models --verbose`: a name on a line, then an object."""
    found, decoder = {}, json.JSONDecoder()
    for start in re.finditer(r"^llmgen/(\S+)\n(?=\{)", text, re.MULTILINE):
        found[start[1]] = decoder.raw_decode(text, start.end())[0]
    return found


@pytest.mark.thorough
@pytest.mark.reader("opencode")
def test_opencode_lists_every_model_with_the_context_of_a_slot(tmp_path):
    document = json.loads(content("opencode.json"))
    found = listed(opencode(tmp_path, document, "models", "llmgen", "--verbose").stdout)
    contexts = {name: item["limit"]["context"] for name, item in found.items()}
    assert contexts == {"big": 32768, "big:think": 32768, "small/coder": 8192}
    assert {item["limit"]["output"] for item in found.values()} == {16384, 4096}
    assert {item["capabilities"]["toolcall"] for item in found.values()} == {True}
    assert {item["api"]["npm"] for item in found.values()} == {"@ai-sdk/openai-compatible"}


@pytest.mark.thorough
@pytest.mark.reader("opencode")
def test_opencode_keeps_every_key_that_is_written(tmp_path):
    document = json.loads(content("opencode.json"))
    told = json.loads(opencode(tmp_path, document, "debug", "config").stdout)
    shown = document["provider"]["llmgen"]["options"] | {"apiKey": "***"}
    document["provider"]["llmgen"]["options"] = shown
    assert {key: told[key] for key in document} == document


@pytest.mark.thorough
@pytest.mark.reader("opencode")
def test_opencode_refuses_what_is_wrong(tmp_path):
    document = json.loads(content("opencode.json"))
    del document["provider"]["llmgen"]["models"]["big"]["limit"]["output"]
    done = opencode(tmp_path, document, "models", "llmgen")
    said = done.stdout + done.stderr
    assert "Configuration is invalid" in said
    assert "provider.llmgen.models.big.limit.output" in said


@pytest.mark.reader("config.py")
def test_open_webui_reads_every_variable(tmp_path):
    (tmp_path / "file").write_bytes(content("open-webui.env"))
    script = 'set -a; . "$1"; env -0'
    words = ["sh", "-c", script, "sh", tmp_path / "file"]
    done = subprocess.run(words, env={"LLM_API_KEY": "sk-a"}, capture_output=True, check=True)
    pairs = (item.split("=", 1) for item in done.stdout.decode().split("\0") if item)
    ours = {name: value for name, value in pairs if name not in ("LLM_API_KEY", "PWD", "_")}
    asked, values = read_by(readers.find("config.py"), ours)
    assert ours.keys() - {"OLDPWD", "SHLVL"} <= asked
    url = "http://127.0.0.1:4001/v1"
    assert (values["OPENAI_API_BASE_URLS"], values["OPENAI_API_KEYS"]) == ([url], ["sk-a"])
    assert (values["ENABLE_OPENAI_API"], values["ENABLE_OLLAMA_API"]) == (True, False)
    assert (values["RAG_EMBEDDING_ENGINE"], values["RAG_EMBEDDING_MODEL"]) == ("openai", "embed")
    assert values["RAG_EXTERNAL_RERANKER_URL"] == f"{url}/rerank"
    assert values["ENABLE_PERSISTENT_CONFIG"] is False


class Variables(dict):
    """An environment that notes which names are asked for."""

    def __init__(self, *given):
        super().__init__(*given)
        self.asked = set()

    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)


class System:
    """What the module's assignments need of `os`."""

    path = os.path

    def __init__(self, given):
        self.environ = Variables(given)
        self.getenv = self.environ.get


def read_by(module, given):
    """Run the module's own assignments with an environment; those that need its packages are left.

    Returns the names that were asked for and the values that came of them.
    """
    system = System(given)
    values = {"os": system, "__builtins__": __builtins__}
    for node in ast.parse(module.read_text("utf-8")).body:
        if not isinstance(node, ast.Assign):
            continue
        try:
            exec(compile(ast.Module([node], []), str(module), "exec"), values)
        except (NameError, AttributeError, TypeError, ValueError, KeyError, OSError):
            continue
    return system.environ.asked, values


# Its schema drops what it does not know without a word: what comes back shows what was read.
PARSE = """
import {{ readFileSync }} from "fs";
import {{ configYamlSchema, parseConfigYaml }} from "{index}";
const text = readFileSync(process.argv[1], "utf-8");
console.log(JSON.stringify(configYamlSchema.parse(parseConfigYaml(text))));
"""


@pytest.mark.reader("config-yaml")
def test_continue_accepts_its_file_and_keeps_every_key(tmp_path):
    program, file = readers.find("config-yaml"), tmp_path / "config.yaml"
    file.write_bytes(content("config.yaml"))
    subprocess.run([program, file], check=True, capture_output=True)
    index = program.parent.parent / "@continuedev/config-yaml/dist/index.js"
    words = ["node", "--input-type=module", "-e", PARSE.format(index=index), file]
    read = subprocess.run(words, check=True, capture_output=True).stdout
    assert json.loads(read) == yaml.safe_load(file.read_bytes())


@pytest.mark.reader("config-yaml")
def test_continue_refuses_a_role_that_it_does_not_have(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_bytes(content("config.yaml").replace(b'["embed"]', b'["embedding"]'))
    done = subprocess.run([readers.find("config-yaml"), file], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"models.3" in done.stderr


# A stand-in for aider.coders, of which the parser lists the edit formats: the real one needs every
# package that the program needs.
AIDER = """
import json, sys, types
import aider
aider.coders = sys.modules["aider.coders"] = types.SimpleNamespace(__all__=[])
from aider.args import get_parser
found = get_parser([sys.argv[1]], None).parse_args([])
print(json.dumps([found.model, found.openai_api_base, found.model_metadata_file]))
"""


def aider(folder, text):
    """What aider's own parser makes of its config file."""
    (folder / ".aider.conf.yml").write_bytes(text)
    return subprocess.run(
        [sys.executable, "-c", AIDER, ".aider.conf.yml"],
        cwd=folder,
        env={"PYTHONPATH": str(readers.find("args.py").parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.reader("args.py")
def test_aider_reads_every_option(tmp_path):
    text = content(".aider.conf.yml")
    model, base, metadata = json.loads(aider(tmp_path, text).stdout)
    assert (model, base) == ("openai/big", "http://127.0.0.1:4001/v1")
    assert metadata == ".aider.model.metadata.json"
    assert "unrecognized arguments" in aider(tmp_path, text + b"modle: openai/big\n").stderr


# aider gives the file to LiteLLM as it is (aider/models.py, register_litellm_models).
REGISTER = """
import json, sys
import litellm
found = json.load(open(sys.argv[1]))
litellm.register_model(found)
print(json.dumps({name: litellm.get_model_info(name)["max_input_tokens"] for name in found}))
"""


@pytest.mark.thorough
@pytest.mark.reader("litellm")
def test_litellm_finds_the_contexts_that_aider_gives_it(tmp_path):
    file = tmp_path / "metadata.json"
    file.write_bytes(content(".aider.model.metadata.json"))
    python = readers.find("litellm").with_name("python")
    done = subprocess.run(
        [python, "-c", REGISTER, file],
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": str(tmp_path)},
        capture_output=True,
        check=True,
    )
    contexts = {"openai/big": 32768, "openai/big:think": 32768, "openai/small/coder": 8192}
    assert json.loads(done.stdout) == contexts


# zed-industries/zed, crates/settings_content/src/language_model.rs at 000b56b84fe8: fields of
# OpenAiCompatibleSettingsContent, OpenAiCompatibleAvailableModel, OpenAiCompatibleModelCapabilities,
# with their types; serde drops what it does not know, so a misspelt one would be lost silently.
PROVIDER = {"api_url": str, "available_models": list}
MODEL = {
    "name": str,
    "display_name": str,
    "max_tokens": int,
    "max_output_tokens": int,
    "max_completion_tokens": int,
    "reasoning_effort": str,
    "capabilities": dict,
}
NEEDED = {"name", "max_tokens"}
CAPABILITIES = dict.fromkeys(("tools", "images", "parallel_tool_calls", "prompt_cache_key"), bool)
OPTIONAL = dict.fromkeys(("chat_completions", "interleaved_reasoning"), bool)


def fits(value, fields, needed):
    assert needed <= value.keys() <= fields.keys()
    assert all(type(item) is fields[name] for name, item in value.items())


def test_zed_has_fields_of_these_names_and_types():
    settings = json.loads(content("settings.json"))
    assert settings.keys() == {"language_models"}
    (provider,) = settings["language_models"]["openai_compatible"].values()
    fits(provider, PROVIDER, PROVIDER.keys())
    for model in provider["available_models"]:
        fits(model, MODEL, NEEDED)
        fits(model["capabilities"], CAPABILITIES | OPTIONAL, CAPABILITIES.keys())
