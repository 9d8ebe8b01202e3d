"""Walk a real llama-swap or router from request to request, and see what it holds each time."""

import contextlib
import json
import random
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
from gguf_writer import write_llama

from readers import find
from readers.ports import free_port
from readers.running import running

SERVER_OPTIONS = "-c 256 -np 1 -b 64 -ub 64 -t 1 --no-warmup --cache-ram 0 --fit off"
CHAT = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1}


def free_ranges(count, width):
    """The first port of each of ``count`` ranges, below those that the system gives to clients."""
    found, first = [], random.randrange(20000, 27000)
    while len(found) < count:
        assert first + width < 32000, "no range of ports is free"
        if are_free(range(first, first + width)):
            found.append(first)
            first += width
        else:
            first += 1
    return found


def are_free(ports):
    with contextlib.ExitStack() as held:
        try:
            for port in ports:
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def swap_config(models, gguf, routing, first):
    """A llama-swap configuration whose models are all the same tiny file; JSON is YAML."""
    command = f"{find('llama-server')} -m {gguf} {SERVER_OPTIONS} --host 127.0.0.1 --port ${{PORT}}"
    return {
        "startPort": first,
        "healthCheckTimeout": 60,
        "models": {name: {"cmd": command, "proxy": "http://127.0.0.1:${PORT}"} for name in models},
        "routing": {"router": routing},
    }


def matrix_routing(matrix):
    """[routing] of a derived matrix."""
    settings = {
        "vars": dict(matrix.variables),
        "evict_costs": dict(matrix.evict_costs),
        "sets": dict(matrix.sets),
    }
    return {"use": "matrix", "settings": {"matrix": settings}}


def group_routing(groups):
    """[routing] of derived groups."""
    made = {
        group.name: {
            "swap": group.swap,
            "exclusive": group.exclusive,
            "persistent": group.persistent,
            "members": list(group.members),
        }
        for group in groups.groups
    }
    return {"use": "group", "settings": {"groups": made}}


def walk_swap(folder, models, routing, requests):
    """Models that ``/running`` names after each request."""
    (held,) = walk_swaps(folder, models, routing, [requests])
    return held


def walk_swaps(folder, models, routing, walks):
    """The same for each walk, on as many llama-swaps at once: they wait most of the time."""
    ports = free_ranges(len(walks), len(models) + 1)
    gguf = write_llama(folder / "tiny.gguf", layers=1)

    def walk(first, requests):
        config = folder / f"{first}.yaml"
        config.write_text(json.dumps(swap_config(models, gguf, routing, first + 1)))
        return list(walk_one(config, first, requests))

    with ThreadPoolExecutor(len(walks)) as pool:
        return list(pool.map(walk, ports, walks))


def walk_one(config, port, requests):
    words = [find("llama-swap"), "-config", config, "-listen", f"127.0.0.1:{port}"]
    base = f"http://127.0.0.1:{port}"
    with (
        running(words, ready=f"{base}/health", log=config.with_suffix(".log")),
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        for name in requests:
            client.post("/v1/chat/completions", json={**CHAT, "model": name}).raise_for_status()
            held = client.get("/running").json()["running"]
            yield sorted(item["model"] for item in held)
        client.get("/unload")


def walk_router(folder, models, models_max, requests):
    """Models that the router calls loaded after each request."""
    gguf = write_llama(folder / "tiny.gguf", layers=1)
    preset = folder / "models.ini"
    sections = (f"[{name}]\nmodel = {gguf}\n" for name in models)
    preset.write_text("".join(("version = 1\n[*]\nfit = off\nctx-size = 256\n", *sections)))
    port = free_port()
    words = [find("llama-server"), "--models-preset", preset, "--models-max", models_max]
    words += ["--host", "127.0.0.1", "--port", port, "-t", "1", "--no-warmup", "-np", "1"]
    base = f"http://127.0.0.1:{port}"
    log = folder / "router.log"
    with (
        running(words, ready=f"{base}/health", log=log, env={"LLAMA_CACHE": str(folder)}),
        # The router closes a connection while the next request is on its way.
        httpx.Client(base_url=base, timeout=60, headers={"Connection": "close"}) as client,
    ):
        for name in requests:
            client.post("/v1/chat/completions", json={**CHAT, "model": name}).raise_for_status()
            listed = client.get("/models").json()["data"]
            held = {item["id"] for item in listed if item["status"]["value"] != "unloaded"}
            yield sorted(held & {*models})
