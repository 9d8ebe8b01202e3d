"""One llm.toml in the three runtimes: the same routes, names, limits, ports and keys, as values."""

import json
import re

import pytest
from targets import plans
from yaml_reader import read_yaml

from llmgen.plan.slack import TMPFS_BYTES
from llmgen.render.environment import make_render
from llmgen.targets import compose, envoy, litellm, llama_swap, quadlet, systemd
from llmgen.units import MIB

KEYS = """
[gateway.litellm]
enable = true
master_key = { env = "MASTER" }
"""
STACK = plans.STACK.replace("[gateway.litellm]\nenable = true", KEYS).replace(
    "[gateway.envoy]\nenable = true",
    '[gateway.envoy]\nenable = true\napi_keys = [{ name = "me", secret = { file = "me.key" } }]',
)
RUNTIMES = ("native", "compose", "quadlet")


@pytest.fixture(scope="module")
def trees():
    return {name: tree(name) for name in RUNTIMES}


def tree(runtime):
    """Every file of a runtime by what it is: its path without the runtime's own folders."""
    plan = plans.plan(STACK.replace("[services]\n", f'[services]\nruntime = "{runtime}"\n'))
    targets = {
        "native": (llama_swap, envoy, litellm, systemd),
        "compose": (compose,),
        "quadlet": (quadlet,),
    }[runtime]
    found = [item for target in targets for item in target.artifacts(plan, make_render())]
    own = re.compile(r"^(compose/|quadlet/config/|quadlet/user/|systemd/user/)")
    return {own.sub("", str(item.path)): item.content.decode() for item in found}


def same(trees, read):
    """The value in all three runtimes."""
    native, *others = (read(name, trees[name]) for name in RUNTIMES)
    assert native
    assert all(other == native for other in others)
    return native


def service_names(runtime, files):
    if runtime == "compose":
        return {*read_yaml(files["compose.yaml"])["services"]}
    suffix = ".service" if runtime == "native" else ".container"
    return {
        name.removeprefix("llmgen-").removesuffix(suffix) for name in files if name.endswith(suffix)
    }


def limits(runtime, files):
    """MiB of each service that has a limit, without what is a container's own."""
    own = TMPFS_BYTES // MIB
    match runtime:
        case "compose":
            services = read_yaml(files["compose.yaml"])["services"]
            told = {name: item.get("mem_limit") for name, item in services.items()}
            return {name: int(size[:-1]) - own for name, size in told.items() if size}
        case "quadlet":
            pattern, own_size = r"^(?:Memory=|PodmanArgs=--memory )(\d+)m$", own
        case _:
            pattern, own_size = r"^MemoryMax=(\d+)M$", 0
    found = {}
    for name, text in files.items():
        if match := re.search(pattern, text, re.MULTILINE):
            service = name.removeprefix("llmgen-").rsplit(".", 1)[0]
            found[service] = int(match[1]) - own_size
    return found


def without_addresses(value):
    """The same document, with every host of a server as one word, and paths within as outside."""
    text = json.dumps(value)
    text = re.sub(r'("address": )"[^"]+"', r'\1"HOST"', text)
    text = re.sub(r"http://[a-z0-9.-]+:", "http://HOST:", text)
    return text.replace("/home/llm/.local/state/llmgen/run", "/run/llmgen")


def test_the_services_have_the_same_names(trees):
    assert "swap" in same(trees, service_names)


def test_the_limits_are_those_of_the_plan(trees):
    assert {"swap", "model-embed", "litellm"} <= {*same(trees, limits)}


@pytest.mark.parametrize("name", ["rds.yaml", "cds.yaml"])
def test_envoy_routes_the_same_names_with_the_same_queues(name, trees):
    def routes(_, files):
        found = without_addresses(read_yaml(files[f"envoy/{name}"]))
        # Names are looked up, addresses are not.
        found = re.sub(r'"type": "(STATIC|STRICT_DNS)", ', "", found)
        return re.sub(r'"(dns_lookup_family|respect_dns_ttl)": [^,]+, ', "", found)

    same(trees, routes)


def test_llama_swap_has_the_same_models_names_and_sets(trees):
    def models(_, files):
        found = read_yaml(files["llama-swap/config.yaml"])
        for item in found["models"].values():
            words = item.pop("cmd").replace("/srv/models/", "/models/").split()
            item["cmd"] = words[1:]
        return without_addresses(found)

    same(trees, models)


def test_litellm_has_the_same_rows(trees):
    same(trees, lambda _, files: without_addresses(read_yaml(files["litellm/config.yaml"])))


def test_the_keys_are_the_same(trees):
    def keys(_, files):
        found = {}
        for name in ("envoy", "litellm"):
            manifest = json.loads(files[f"{name}/keys.json"])
            found[name] = (manifest["secrets"], manifest["files"], manifest["distinct"])
        return found

    assert same(trees, keys)["envoy"][0]["client.me"]["file"].endswith("/me.key")
