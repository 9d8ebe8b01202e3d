"""llama-server's own parser, asked what it reads: its router lists each child's command line.

A router that serves a preset answers `/models` with the words that it would start each child with:
the preset's keys and its own command line, read, merged and spelled by the program itself.
"""

import os
import subprocess

import httpx
import readers
from readers.ports import free_port
from readers.running import running

from llmgen.server_help import by_spelling

# What the router sets by itself.
OWN = {"--host", "--port", "-a", "--log-colors", "-m"}


def read_preset(text, folder, words=()):
    """Each section's options as the program reads them: first spelling -> value, True or False."""
    preset = folder / "asked.ini"
    preset.write_text(text, "utf-8")
    port = free_port()
    server = readers.find("llama-server")
    argv = [server, "--models-preset", preset, "--no-models-autoload", "--port", port, *words]
    address = f"http://127.0.0.1:{port}"
    with running(argv, ready=f"{address}/health", log=folder / "router.log"):
        models = httpx.get(f"{address}/models").json()["data"]
    return {model["id"]: _without_own(model["status"]["args"][1:]) for model in models}


def _without_own(words):
    return {first: value for first, value in options(words).items() if first not in OWN}


def read_words(words, folder):
    """The options of a command line as the program reads them."""
    return read_preset("[a]\nmodel = x.gguf\n", folder, words)["a"]


def options(words):
    """Words of a command line by the program's own help; of two values, both together."""
    found, rest = {}, list(words)
    while rest:
        word = rest.pop(0)
        option = by_spelling()[word]
        if option.takes:
            found[option.first] = " ".join(rest.pop(0) for _ in range(option.takes))
        else:
            found[option.first] = word not in option.off
    return found


def starts_with(words, env=None):
    """Whether the server takes this command line and environment; what it says where it does not.

    `--version` comes last and ends the program after all before it have been read.
    """
    done = subprocess.run(
        [readers.find("llama-server"), *words, "--version"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"[-500:]
