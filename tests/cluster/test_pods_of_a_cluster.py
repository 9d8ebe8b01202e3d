"""Which pods a cluster has: one for each always-on model, one for each engine, on which pool."""

import pytest
from making import facts

from llmgen.cluster.build import cluster
from llmgen.config.load import load, merged
from llmgen.config.source import parse
from llmgen.errors import ConfigError, LlmgenError, PlanError
from llmgen.facts.lock_model import Entry, Lock
from llmgen.resolve import references

HEAD = """
edition = 2
[hardware]
os = "linux"
backend = "cuda"
memory = "64GiB"
reserve = "2GiB"
devices = [{ memory = "24GiB" }, { memory = "24GiB" }]
[paths]
home = "/home/llm"
[gateway.envoy]
enable = true
[kubernetes]
"""
MODELS = """
[models.chat]
model = "chat.gguf"
keep = "always"
aliases = ["gpt-4o"]
[models.embed]
model = "embed.gguf"
role = "embedding"
[models.coder]
model = "coder.gguf"
[models.vision]
model = "vision.gguf"
"""


def made(text, *, head=HEAD, **sizes):
    source = parse("llm.toml", head + text)
    config = load([source])
    known = {ref: facts(ref.partition(":")[2], **sizes) for ref in references(config)}
    return cluster(config, merged([source]), Lock({ref: Entry(i) for ref, i in known.items()}))


def units(text, **more):
    return {
        unit.name: (unit.kind, unit.pool, unit.devices, unit.models)
        for unit in made(text, **more).units
    }


def refused(text, **more):
    with pytest.raises(LlmgenError) as caught:
        made(text, **more)
    return [(item.code, item.key) for item in caught.value.diagnostics]


def test_always_on_models_have_pods_of_their_own_and_the_others_share_one():
    assert units(MODELS) == {
        "model-chat": ("model", "nodes", 1, ("chat",)),
        "model-embed": ("model", "nodes", 1, ("embed",)),
        "swap-nodes": ("swap", "nodes", 1, ("coder", "vision")),
        "gateway": ("gateway", "nodes", 0, ()),
    }


def test_a_stack_is_one_pod_in_which_always_on_models_are_pinned():
    found = made(MODELS + '[kubernetes.pools.gpu]\nlayout = "stack"')
    unit = found.units[0]
    assert (unit.name, unit.devices) == ("swap-gpu", 2)
    assert unit.models == ("chat", "embed", "coder", "vision")
    assert [item.name for item in unit.plan.placements if item.model.pin] == ["chat", "embed"]


def test_a_model_that_fits_no_card_alone_has_two():
    large = {
        "layers": 40,
        "embedding": 4096,
        "heads": 32,
        "feed_forward": 36000,
        "vocabulary": 32000,
    }
    found = units('[models.chat]\nmodel = "chat.gguf"\nkeep = "always"\n', **large)
    assert found["model-chat"][2] == 2


def test_a_model_on_the_host_has_no_device_and_an_image_without():
    found = made('[models.e]\nmodel = "e.gguf"\nkeep = "always"\nn_gpu_layers = 0\n').units[0]
    assert found.devices == 0
    assert found.plan.library.machine.backend == "cpu"


def test_a_model_goes_where_it_says_or_where_there_is_room():
    pools = "[kubernetes.pools.a]\n[kubernetes.pools.b]\ncount = 4\n"
    three = "".join(f'[models.m{n}]\nmodel = "m{n}.gguf"\nkeep = "always"\n' for n in range(3))
    found = made(pools + three + 'pool = "b"')
    assert {unit.models[0]: unit.pool for unit in found.serving} == {
        "m0": "a",
        "m1": "a",
        "m2": "b",
    }
    found = made(pools + three)
    assert {unit.models[0]: unit.pool for unit in found.serving} == {
        "m0": "a",
        "m1": "a",
        "m2": "b",
    }
    assert found.reasons["m2"].endswith("a has none beside what is there")


def test_a_pool_has_hardware_and_keys_of_models_of_its_own():
    pools = """
[kubernetes.pools.big.hardware]
devices = [{ memory = "80GiB" }]
[kubernetes.pools.big.models.chat]
ctx_size = 4096
"""
    (unit, *_) = made('[models.chat]\nmodel = "chat.gguf"\nkeep = "always"\n' + pools).units
    assert unit.plan.library.machine.devices[0].memory_bytes == 80 * 2**30
    assert unit.plan.placements[0].settings.ctx_size == 4096


def test_the_gateway_knows_every_name():
    gateway = made(MODELS).gateway
    assert set(gateway.plan.library.external) == {"coder", "vision"}
    assert gateway.plan.library.external["coder"].endpoint == "http://swap-nodes:8080"


def test_a_pool_that_is_none_is_refused():
    (found,) = refused('[models.chat]\nmodel = "chat.gguf"\npool = "gpus"\n[kubernetes.pools.gpu]')
    assert found == ("kubernetes.no-pool", ("models", "chat", "pool"))


def test_a_file_is_not_about_machines_and_a_cluster():
    hosts = '[hosts.a]\naddress = "10.0.0.1"\n'
    assert refused(MODELS + hosts) == [("kubernetes.and-hosts", ("kubernetes",))]


def test_a_model_larger_than_any_node_is_refused_with_its_pool():
    large = {
        "layers": 80,
        "embedding": 8192,
        "heads": 64,
        "feed_forward": 60000,
        "vocabulary": 32000,
    }
    found = refused('[models.chat]\nmodel = "chat.gguf"\nkeep = "always"\n', **large)
    assert found[0][0].startswith("budget.")
    assert found[0][1][:2] == ("models", "chat")


def test_a_pool_says_when_a_model_is_in_memory_and_how_often_it_is_there():
    text = '[models.chat]\nmodel = "chat.gguf"\nkeep = "on_demand"\n'
    own = '[kubernetes.pools.gpu]\ncount = 3\nmodels.chat = { keep = "always", hosts = 2 }\n'
    (unit, *_) = made(text + own).units
    assert (unit.kind, unit.copies) == ("model", 2)


def test_a_pool_has_keys_of_models_that_are_there():
    text = '[models.chat]\nmodel = "chat.gguf"\n[kubernetes.pools.gpu.models.chta]\nparallel = 2'
    (found,) = refused(text)
    assert found == ("kubernetes.no-model", ("kubernetes", "pools", "gpu", "models", "chta"))


def at(*keys):
    """A key of a pool's hardware."""
    return ("kubernetes", "pools", "gpu", "hardware", *keys)


POOL = "[kubernetes.pools.gpu]\n"
MAC = 'profile = "apple-silicon-128gb"'
# What the nodes are is said by pools alone.
BARE = "edition = 2\n[hardware]\nthreads = 4\n[kubernetes]\n"
MAC_HEAD = f"edition = 2\n[paths]\nhome = '/home/llm'\n[hardware]\n{MAC}\n[kubernetes]\n"


@pytest.mark.parametrize(
    ("head", "text", "code", "key"),
    [
        (HEAD, f'{POOL}hardware.profile = "nvidia-24"', "hardware.unknown-profile", at("profile")),
        (HEAD, f'{POOL}hardware.memory = "lots"', "config.bad-value", at("memory")),
        (HEAD, f"{POOL}hardware.memory = 64", "hardware.bytes", at("memory")),
        (HEAD, f"{POOL}hardware.devices = [{{ memory = 24 }}]", "hardware.bytes", at("devices")),
        (BARE, f'{POOL}hardware = {{ memory = "9GiB", os = "linux" }}', "hardware.missing", at("backend")),
        (HEAD, f'{POOL}hardware.os = "macos"', "kubernetes.no-linux", at("os")),
        (BARE, f"{POOL}hardware.{MAC}", "kubernetes.no-linux", at("profile")),
        (MAC_HEAD, POOL, "kubernetes.no-linux", ("hardware", "profile")),
        (MAC_HEAD, f'{POOL}hardware.os = "macos"', "kubernetes.no-linux", at("os")),
        (MAC_HEAD, "", "kubernetes.no-linux", ("hardware", "profile")),
    ],
)  # fmt: skip
def test_wrong_hardware_is_told_where_it_is_written(head, text, code, key):
    assert (code, key) in refused(f"{text}\n{MODELS}", head=head)


def test_a_pool_of_another_system_than_the_file_is_of_linux():
    pool = f'{POOL}hardware.profile = "nvidia-2x24gb"\n'
    assert made(pool + MODELS, head=MAC_HEAD).pools["gpu"].node.os == "linux"


STORAGE = "[kubernetes.storage]\n"


@pytest.mark.parametrize(
    ("told", "code", "key"),
    [
        (f'{POOL}gpu_resource = "a.b/c"\ndevice_class = "a.b"', "two-ways", ("pools", "gpu", "gpu_resource")),
        (f'{POOL}gpu_resource = "kubernetes.io/gpu"', "resource", ("pools", "gpu", "gpu_resource")),
        (f'{POOL}gpu_resource = "a.kubernetes.io/gpu"', "resource", ("pools", "gpu", "gpu_resource")),
        (f'{POOL}gpu_resource = "requests.a.b/gpu"', "resource", ("pools", "gpu", "gpu_resource")),
        ('version = "1.29"', "version", ("version",)),
        ('gateway_hostname = "llm.example.org"', "no-gateway", ("gateway_hostname",)),
        ('gateway_certificate = "llm-tls"', "no-gateway", ("gateway_certificate",)),
        ('gateway_class = "eg"', "no-gateway", ("gateway_class",)),
        ('gateway_namespace = "mine"', "no-gateway", ("gateway_namespace",)),
        ('picker_image = "x/y:1"', "no-picker", ("picker_image",)),
        ('gateway = "ai-gateway"\npicker_image = "x/y:1"', "no-picker", ("picker_image",)),
        (f'{STORAGE}claim = "mine"\nsize = "9GiB"', "claim-there", ("storage", "size")),
        (f'{STORAGE}claim = "mine"\nstorage_class = "fast"', "claim-there", ("storage", "storage_class")),
        (f'{STORAGE}claim = "mine"\naccess_mode = "ReadWriteMany"', "claim-there", ("storage", "access_mode")),
    ],
)  # fmt: skip
def test_what_would_be_without_effect_is_refused(told, code, key):
    assert refused(f"{told}\n{MODELS}") == [(f"kubernetes.{code}", ("kubernetes", *key))]


@pytest.mark.parametrize("version", ["1.30", "1.33", "1.34", "2.0"])
def test_a_server_that_takes_what_is_written_is_not_refused(version):
    assert made(f'version = "{version}"\n{MODELS}').table.version == version


@pytest.mark.parametrize(
    "key", ["storage.claim", "tls.secret", "secret", "gateway_certificate", "image_pull_secrets"]
)
@pytest.mark.parametrize("name", ["team-a.models", "m" * 180, "1st"])
def test_what_is_there_has_any_name_that_kubernetes_takes(key, name):
    value = f'["{name}"]' if key == "image_pull_secrets" else f'"{name}"'
    more = 'gateway = "gateway-api"\n' if key == "gateway_certificate" else ""
    assert made(f"{more}{key} = {value}\n{MODELS}").units


@pytest.mark.parametrize(("length", "is_taken"), [(244, True), (245, False)])
def test_domain_of_a_resource_leaves_room_for_that_of_its_quota(length, is_taken):
    told = f'{POOL}gpu_resource = "{"a" * length}/gpu"\n{MODELS}'
    if is_taken:
        assert made(told).units
    else:
        key = ("kubernetes", "pools", "gpu", "gpu_resource")
        assert refused(told) == [("config.bad-value", key)]


def test_names_that_kubernetes_does_not_take_are_refused():
    for name in ("A", "a_b", "a..b", "m" * 254):
        assert refused(f'storage.claim = "{name}"\n{MODELS}') == [
            ("config.bad-value", ("kubernetes", "storage", "claim"))
        ]


POOLS = f"{POOL}\n[kubernetes.pools.other]\ncount = 1\n"
MACRO = """
[models.talk]
engine = "command"
cmd = ["/opt/tts/serve", "--port", "${PORT}"]
cmd_stop = ["/bin/kill", "${PID}"]
keep = "always"
role = "speech"
memory = { host = "1GiB" }
"""


@pytest.mark.parametrize("pools", [POOL, POOLS])
def test_what_is_wrong_on_every_pool_is_a_wrong_llm_toml(pools):
    with pytest.raises(LlmgenError) as caught:
        made(f"{pools}{MACRO}")
    assert {item.code for item in caught.value.diagnostics} == {"models.macro"}
    assert type(caught.value) is ConfigError


@pytest.mark.parametrize("pools", [POOL, POOLS])
def test_what_fits_no_node_is_no_plan(pools):
    with pytest.raises(LlmgenError) as caught:
        made(f"{pools}{MODELS}", embedding=2**14, feed_forward=2**16, layers=90)
    assert type(caught.value) is PlanError
