"""Pools of the Gateway API's inference extension: models with several pods, and who picks one."""

import json

from made import objects, one, stack

from llmgen.targets.kubernetes.demand import requests

STACK = """
[services]
on_demand = "llama_swap"
[kubernetes]
gateway = "inference-extension"
[kubernetes.pools.gpu]
count = 4
[models.embed]
role = "embedding"
model = "e.gguf"
ctx_size = 512
hosts = 2
[models.chatter]
model = "a.gguf"
ctx_size = 1024
keep = "always"
hosts = 2
metrics = true
[models.single]
model = "s.gguf"
ctx_size = 1024
keep = "always"
"""


def test_a_chat_model_with_several_pods_is_a_pool():
    item = one(objects(stack(STACK)), "InferencePool")
    assert item["metadata"]["name"] == "model-chatter"
    assert item["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "model-chatter"
    assert item["spec"]["endpointPickerRef"]["name"] == "model-chatter-picker"


def test_the_others_are_reached_by_their_services():
    found = objects(stack(STACK))
    refs = {
        (ref["kind"], ref["name"])
        for item in found
        if item["kind"] == "HTTPRoute"
        for rule in item["spec"]["rules"]
        for ref in rule["backendRefs"]
    }
    assert refs == {
        ("InferencePool", "model-chatter"),
        ("Service", "model-single"),
        ("Service", "model-embed"),
    }


def config(text):
    found = objects(stack(text))
    (container,) = one(found, "Deployment", "model-chatter-picker")["spec"]["template"]["spec"][
        "containers"
    ]
    words = container["args"]
    return words, json.loads(words[words.index("--config-text") + 1])


def test_the_picker_reads_what_llama_server_calls_its_queue():
    words, told = config(STACK)
    assert "llamacpp:requests_deferred" in words
    assert [item["type"] for item in told["plugins"]] == ["queue-scorer", "prefix-cache-scorer"]


def test_the_picker_reads_no_queue_that_nobody_shows():
    for text in (
        STACK.replace("metrics = true\n", ""),
        STACK.replace("[services]", '[services]\napi_key = { env = "K" }'),
    ):
        _, told = config(text)
        assert [item["type"] for item in told["plugins"]] == ["prefix-cache-scorer"]


def test_the_picker_may_only_read():
    rules = one(objects(stack(STACK)), "Role", "model-chatter-picker")["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "watch", "list"}


def test_the_picker_is_on_the_pool_of_its_model_and_in_the_proof():
    made = stack(STACK)
    (pool,) = made.cluster.pools
    spec = one(objects(made), "Deployment", "model-chatter-picker")["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"llmgen.io/pool": pool}
    asked = {pod.name: pod.request.memory_bytes for pod in requests(made, pool)}
    assert asked["model-chatter-picker"] == 512 * 2**20


def test_the_pickers_image_is_the_one_that_is_named():
    told = 'gateway = "inference-extension"'
    found = objects(stack(STACK.replace(told, f'{told}\npicker_image = "docker.io/x/y:1"')))
    spec = one(found, "Deployment", "model-chatter-picker")["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == "docker.io/x/y:1"
