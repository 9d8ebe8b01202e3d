"""Random command lines of llama-server, legal and not: every word of them is kept or named.

python tests/fuzz/fuzz_import.py [ROUNDS] [SEED]
"""

import os
import random
import re
import shlex

import pytest
from making import adapter, facts
from msgspec.structs import replace

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.errors import LlmgenError, Severity
from llmgen.importing.acceptance import accepted
from llmgen.importing.arguments import read
from llmgen.importing.command_line import keys_of
from llmgen.importing.machine import with_devices
from llmgen.importing.parts import Part
from llmgen.importing.write import document
from llmgen.machine import machine
from llmgen.options import BY_FLAG
from llmgen.resolve import resolve
from llmgen.resolve.references import references
from llmgen.resolve.table_rules import findings
from llmgen.server_help import listed

ROUNDS = int(os.environ.get("LLMGEN_FUZZ_ROUNDS", "100"))
HARDWARE = {
    "host": "box", "os": "linux", "backend": "cuda", "memory": "64GiB",
    "devices": [{"memory": "24GiB"}, {"memory": "24GiB"}],
}  # fmt: skip
VALUES = (
    "0", "1", "-1", "2", "4", "32", "512", "4096", "65536", "99", "-2", "3.5", "0.7", "1e3", "nan", "inf", "32k",
    "99999999999", "on", "off", "auto", "true", "false", "yes", "all", "none", "max", "", " ", "x", "a,b", "1,2", "3/1",
    "q8_0", "f16", "mean", "rank", "yarn", "layer", "tensor", "mmap", "CUDA0", "CUDA1", "CUDA7", "a.gguf", "/m/b.gguf",
    "o/n-GGUF:Q4_K_M", r"blk\.1\.=CPU", "exps=CUDA1,x=CPU", "a=b=c", "(.*a)*b=CPU", "{", '{"a": 1}', '{"a": null}',
    "a.lora:0.5", "top_k;temp", "kpt", "draft-mtp", "draft-simple,ngram-mod", "llama3", "--jinja", "-c", "a\nb",
    "\u2028", "${PORT}", "@llmgen:x", "k=int:3", "15+1", "host:1", "http://x", "é", "-", "--", "=", "'", '"',
)  # fmt: skip
STRAY = (
    "model.gguf",
    "--evil",
    "-mla",
    "--no-such",
    "--ctx-sice",
    "-fmoe",
    "--",
    "-",
    "",
    "&&",
    "3",
)
# Options that set the same parameter as another one, or that another one takes in.
SAME = {
    "--rope-scale": "--rope-freq-scale",
    "--rope-freq-scale": "--rope-scale",
    "--chat-template": "--chat-template-file",
    "--chat-template-file": "--chat-template",
    "--n-cpu-moe": "--override-tensor",
    "--cpu-moe": "--override-tensor",
}
# What llmgen sets by itself, and options that say what it does anyway.
OURS = {
    "--host",
    "--port",
    "--list-devices",
    "--fit",
    "--mmproj-auto",
    "--embedding",
    "--reranking",
}
OPTIONS = [(option, word) for option in listed() for word in (*option.on, *option.off)]
OLDER = ["--mmap", "--no-mmap", "--mlock", "-dio", "--fit-print", "-cd"]


def drawn(dice):
    """Words of a command line."""
    words = ["-m", "/m/a.gguf"] if dice.random() < 0.8 else []
    for _ in range(dice.randint(0, 12)):
        kind = dice.random()
        if kind < 0.06:
            words.append(dice.choice((*STRAY, *OLDER)))
            continue
        option, word = dice.choice(OPTIONS)
        if dice.random() < 0.05:
            word = word.replace("-", "_").replace("__", "--", 1)
        if dice.random() < 0.04:
            words.append(f"{word}={dice.choice(VALUES)}")
            continue
        words.append(word)
        hint = [part for part in re.split(r"[{}\[\]|,<>]", option.value) if part]
        choices = hint if hint and dice.random() < 0.3 else VALUES
        words += [dice.choice(choices) for _ in range(option.takes)]
    return words


def judged(words):
    """What is wrong with the import of a command line: lines of text, none when all is well."""
    keys, faults = keys_of("a", words)
    named, _ = with_devices(Part({("models", "a"): keys}, tuple(faults)))
    part = accepted(named, HARDWARE, home="/home/me")
    config = load([parse("llm.toml", document(part, HARDWARE, home="/home/me"))])
    for item in findings(config, machine(config.hardware, config.budget)):
        if item.severity is Severity.ERROR:
            yield f"check says: {item.message}"
    told = " ".join(item.message for item in part.faults)
    yield from unaccounted(words, part.tables.get(("models", "a"), {}), told)
    try:
        # What only a file can say is no fault of the import.
        resolve(config, {ref: header(ref, key) for ref, key in references(config).items()})
    except LlmgenError as error:
        for item in error.diagnostics:
            if item.code != "models.no-mtp-head":
                yield f"with the file: {item.message}"


def header(ref, key):
    """Facts of a file for what it is named as."""
    if "lora" in key:
        return adapter(ref)
    made = facts(ref, architecture="clip" if key[-1] == "mmproj" else "llama")
    if "draft" in key:
        made = replace(made, hyperparameters={**made.hyperparameters, "target_layers": (1, 2, 3)})
    return made


def unaccounted(words, keys, told):
    """Options that are neither kept nor named."""
    named = {
        word for quoted in re.findall(r"`([^`]*)`", told) for word in (quoted, *quoted.split())
    }
    arguments = [*read(words)]
    for index, argument in enumerate(arguments):
        later = {one.flag for one in arguments[index + 1 :]}
        parts = {argument.word, argument.flag, argument.value, *argument.value.split(",")}
        overridden = later & {argument.flag, SAME.get(argument.flag)}
        if parts & named or argument.flag in OURS or overridden:
            continue
        if not is_kept(argument, keys, told):
            yield f"neither kept nor named: {argument.shown!r}"


def is_kept(argument, keys, told):
    """Whether the key of an option is there, or told of; else whether its words are."""
    known = BY_FLAG.get(argument.flag)
    if known is None:
        return argument.spelling in keys.get("extra_args", ())
    if not known.key:
        return argument.off or bool(keys.keys() & {"hf_repo", "hf_file", "model", "draft"})
    table, _, inner = known.key.rpartition(".")
    whole = table or inner
    return (
        whole in keys
        or any(f"{key} = " in told for key in (whole, inner))
        or argument.off
        or whole == "services"
        or (whole == "draft" and "the draft of" in told)
    )


@pytest.mark.parametrize("part", range(4))
def test_every_word_is_kept_or_named_and_check_takes_the_rest(part):
    dice = random.Random(part)
    for _ in range(ROUNDS):
        words = drawn(dice)
        assert [*judged(words)] == [], shlex.join(words)
