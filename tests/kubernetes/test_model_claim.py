"""The claim with the model files: its size, its mode, and when there is none."""

import re

import pytest
from made import objects, one, pod_specs, stack
from making import facts

from llmgen.errors import PlanError
from llmgen.facts.gguf_facts import ModelFile
from llmgen.facts.lock_model import Entry, Lock
from llmgen.units import GIB

MODEL = '[models.a]\nmodel = "a.gguf"\nctx_size = 1024\n'
POOL = "[kubernetes.pools.gpu]\ncount = {}\n"
HUB = '[models.a]\nhf_repo = "o/r"\nctx_size = 1024\n'


def claim(text, lock=None):
    return one(objects(stack(text, lock=lock)), "PersistentVolumeClaim")["spec"]


def test_claim_has_room_for_all_files_and_a_tenth():
    made = facts("a.gguf")
    shards = (ModelFile("a.gguf", 10 * GIB), ModelFile("b.gguf", 90 * GIB + 1))
    lock = Lock({"file:a.gguf": Entry(type(made)(**{**fields(made), "files": shards}))})
    assert claim(MODEL, lock)["resources"]["requests"]["storage"] == "111Gi"


def fields(item):
    return {name: getattr(item, name) for name in item.__struct_fields__}


def test_claim_is_as_llm_toml_says():
    text = 'storage = { size = "7GiB", storage_class = "fast", access_mode = "ReadWriteOnce" }'
    assert claim(f"kubernetes.{text}\n{MODEL}") == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "7Gi"}},
        "storageClassName": "fast",
        "volumeMode": "Filesystem",
    }


def test_claim_that_is_there_is_mounted_and_not_made():
    found = objects(stack(f'kubernetes.storage.claim = "mine"\n{MODEL}'))
    assert not [item for item in found if item["kind"] == "PersistentVolumeClaim"]
    (spec,) = pod_specs(found).values()
    claims = [item["persistentVolumeClaim"] for item in spec["volumes"] if item["name"] == "models"]
    assert claims == [{"claimName": "mine", "readOnly": True}]


@pytest.mark.parametrize(
    "text",
    [
        f'kubernetes.storage.access_mode = "ReadWriteOnce"\n{POOL.format(2)}{MODEL}',
        f'kubernetes.storage.access_mode = "ReadWriteOncePod"\nkubernetes.llmgen_image = "x/y"\n{HUB}',
    ],
    ids=["several nodes", "a pod and the download"],
)
def test_claim_that_not_all_can_mount_is_refused(text):
    with pytest.raises(PlanError) as caught:
        objects(stack(text))
    (found,) = caught.value.diagnostics
    assert found.code == "kubernetes.access-mode"
    assert found.key == ("kubernetes", "storage", "access_mode")


def test_only_pod_may_have_a_claim_of_its_own():
    text = 'kubernetes.storage.access_mode = "ReadWriteOncePod"\n'
    assert claim(text + MODEL)["accessModes"] == ["ReadWriteOncePod"]


def test_a_claim_without_room_for_the_files_is_refused_and_the_hint_has_room():
    made = facts("a.gguf")
    shards = (ModelFile("a.gguf", 10 * GIB),)
    lock = Lock({"file:a.gguf": Entry(type(made)(**{**fields(made), "files": shards}))})
    with pytest.raises(PlanError) as caught:
        claim(f'kubernetes.storage.size = "9GiB"\n{MODEL}', lock)
    (found,) = caught.value.diagnostics
    assert (found.code, found.key) == (
        "kubernetes.small-claim",
        ("kubernetes", "storage", "size"),
    )
    (told,) = re.findall(r"`(size = .*?)`", found.hint)
    assert claim(f"kubernetes.storage.{told}\n{MODEL}", lock)["resources"] == {
        "requests": {"storage": "11Gi"}
    }
    assert claim(f'kubernetes.storage.size = "10GiB"\n{MODEL}', lock)


def test_size_that_nobody_knows_has_to_be_said():
    text = '[models.w]\nengine = "whisper"\nmodel = "w.bin"\nrole = "transcription"\n'
    text += 'keep = "always"\nmemory.host = "1GiB"\ncontainer.image = "x/y"\n'
    with pytest.raises(PlanError) as caught:
        objects(stack(text))
    assert [item.code for item in caught.value.diagnostics] == ["kubernetes.no-size"]
    assert claim(f'kubernetes.storage.size = "9GiB"\n{text}')


def test_gateway_waits_for_no_model():
    found = objects(stack(f'gateway.envoy.enable = true\n{MODEL}keep = "always"\n'))
    assert "models-there" not in str(pod_specs(found)["envoy"])
    assert "models-there" in str(pod_specs(found)["model-a"])
