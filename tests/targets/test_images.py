"""Which image each part runs from."""

import plans
import pytest

from llmgen.building.image import PARTS, image_of, images, tools_image

DIGEST = "@sha256:" + "0" * 64


def library(more="", head=plans.HEAD):
    return plans.library('[models.a]\nmodel = "a.gguf"\n' + more, head)


def on(backend):
    head = plans.HEAD.replace('backend = "vulkan"', f'backend = "{backend}"')
    return head.replace('devices = [{ memory = "24GiB" }]', "devices = []") if backend == "cpu" else head  # fmt: skip


# As `.github/workflows/docker.yml` of llama.cpp b11434 and llama-swap's build-container.sh tag them.
@pytest.mark.parametrize(
    ("backend", "server", "swap"),
    [
        ("cpu", "server-b11434", "v250-cpu-b11434-non-root"),
        ("cuda", "server-cuda-b11434", "v250-cuda-b11434-non-root"),
        ("rocm", "server-rocm-b11434", "v250-rocm-b11434-non-root"),
        ("vulkan", "server-vulkan-b11434", "v250-vulkan-b11434-non-root"),
    ],
)
def test_published_images_by_backend_and_version(backend, server, swap):
    found = library(head=on(backend))
    assert image_of(found, "llama_server").reference == f"ghcr.io/ggml-org/llama.cpp:{server}"
    assert image_of(found, "llama_swap").reference == f"ghcr.io/mostlygeek/llama-swap:{swap}"
    tools = tools_image(found).reference
    assert tools == f"ghcr.io/ggml-org/llama.cpp:{server.replace('server', 'full')}"


def test_the_dgx_spark_needs_the_images_of_cuda_13():
    spark = 'edition = 2\n[hardware]\nprofile = "dgx-spark"\n[paths]\nhome = "/home/llm"\n'
    assert image_of(library(head=spark), "llama_server").reference.endswith(":server-cuda13-b11434")


def test_images_that_are_built_have_all_tools():
    found = library("[containers]\nbuild = true\n")
    server, swap = image_of(found, "llama_server"), image_of(found, "llama_swap")
    assert server.reference == "localhost/llmgen-llama-cpp:b11434-vulkan"
    assert swap.reference == "localhost/llmgen-llama-swap:v250-b11434-vulkan"
    assert server.built
    assert swap.built
    assert tools_image(found) == server
    assert not image_of(found, "envoy").built


def test_a_named_image_is_taken_as_it_is():
    found = library(f'[containers]\nbuild = true\nimage = "x/y:1{DIGEST}"\n')
    server = image_of(found, "llama_server")
    assert (server.reference, server.built, server.is_pinned) == (f"x/y:1{DIGEST}", False, True)
    assert tools_image(found) == server


@pytest.mark.parametrize("part", PARTS)
def test_each_part_s_image_can_be_pinned_by_its_key(part):
    found = library()
    key = image_of(found, part).key
    assert not image_of(found, part).is_pinned
    pinned = library(f'[containers]\n{key} = "x/y{DIGEST}"\n')
    assert [item.part for item in images(pinned) if item.is_pinned] == [part]
