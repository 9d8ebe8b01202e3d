"""Every option that the real `llama-server --help` lists, imported, generated and read again.

Compared is what llama-server's own parser reads (tests/importing/parser.py): the options of the
imported file, and those of the file that llmgen generates from the import. Every option is either
the same in both, value by value, or named among the faults and absent.
"""

import json
import shlex
from types import SimpleNamespace

import pytest
import yaml
from importing.parser import options, read_preset, read_words, starts_with
from making import adapter, facts

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.importing.acceptance import accepted
from llmgen.importing.machine import with_devices
from llmgen.importing.sniff import from_text
from llmgen.importing.write import document
from llmgen.options import BY_FLAG, SAMPLERS
from llmgen.plan.command import argv
from llmgen.render.environment import make_render
from llmgen.resolve import resolve
from llmgen.resolve.references import references
from llmgen.server_help import by_spelling, listed
from llmgen.targets import llama_server

pytestmark = pytest.mark.reader("llama-server")

HARDWARE = {
    "host": "box", "os": "linux", "backend": "cuda", "memory": "512GiB", "reserve": "2GiB",
    "devices": [{"name": "CUDA0", "memory": "400GiB"}, {"name": "CUDA1", "memory": "400GiB"}],
}  # fmt: skip
TRAINED = 8192
# What the server would do without serving, which model it serves by what name, where it listens.
ASIDE = {
    "-a",
    *("-h", "--version", "-cl", "--completion-bash", "--list-devices", "--host", "--port", "-m"),
    # What it names has to run.
    "--tools-runtime",
    *("-hf", "-hff", "-mu", "-dr", "--spec-draft-hf", "--models-dir", "--models-preset"),
}
# A value for each option whose kind alone does not say what may stand there.
VALUES = {
    "-C": "ff", "-Cr": "0-1", "-Cb": "ff", "-Crb": "0-1", "--poll": "50", "-fa": "off",
    "-ctk": "q8_0", "-ctv": "bf16", "-lm": "mmap", "-lzm": "off", "--numa": "isolate",
    "-dev": "CUDA1", "-ot": r"blk\.(3|4)\.ffn_.*=CUDA0,norm=CPU", "-ngl": "2", "-ts": "3,1",
    "-sm": "layer", "-mg": "1", "-fitt": "512", "--override-kv": "a.b=int:3", "--lora": "/m/a.lora",
    "--lora-scaled": "/m/a.lora:0.5", "--control-vector": "/m/c", "--control-vector-scaled": "/m/c:2",
    "-lv": "4", "--samplers": "top_k", "-s": "42", "--sampler-seq": "kpt",
    "-l": "15043+1", "--grammar": "root ::= [a-z]", "-j": "{}", "-np": "2", "-r": "User:", "--tags": "t",
    "--pooling": "mean", "--ui-config": "{}", "--tools": "all", "--mcp-servers-json": "{}",
    "--chat-template-kwargs": '{"enable_thinking":false}', "--reasoning-format": "deepseek",
    "--reasoning-effort": "high", "--chat-template": "llama3", "-rea": "on", "--fit": "on",
    "--spec-type": "draft-simple", "--spec-draft-ngl": "all", "--spec-draft-type-k": "q8_0",
    "--spec-draft-type-v": "q4_0", "--spec-draft-device": "CUDA0", "--spec-synth-rates": "0.5,0.5",
    "--spec-draft-override-tensor": "a=CPU", "--spec-draft-model": "/m/d.gguf", "-mm": "/m/mmproj.gguf",
    "--spec-draft-sampling": "greedy", "--rope-scaling": "yarn", "--rpc": "127.0.0.1:1",
    "--spec-draft-cpu-mask": "f", "--spec-draft-cpu-range": "0-1", "--spec-draft-cpu-mask-batch": "f",
    "-mmdev": "none", "-b": "1024", "-ub": "256", "--cors-origins": "http://a", "-hft": "hf_x",
    "--reasoning-budget": "0", "--embd-normalize": "2", "--mirostat": "1", "-fit": "on",
}  # fmt: skip
SHARES = (
    "--top-p",
    "--min-p",
    "--typical",
    "--xtc-probability",
    "--xtc-threshold",
    "--presence-penalty",
    "--frequency-penalty",
)
# The router takes them, and keeps them for itself.
NOT_PASSED_ON = ("--log-file", "--log-colors", "-mm")
NUMBERS = ("N", "INDEX", "SECONDS", "SIMILARITY", "P", "L")
# Draft options mean something beside a draft model alone, a projector's beside a projector.
BESIDE = {
    "draft.": ["--model-draft", "/m/d.gguf"],
    "mmproj_offload": ["--mmproj", "/m/mmproj.gguf"],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Values that name files and folders, which the parser opens."""
    folder = tmp_path_factory.mktemp("files")
    texts = {
        "--grammar-file": "root ::= [a-z]", "-jf": "{}", "--chat-template-file": "{{ x }}",
        "--ui-config-file": "{}", "--mcp-servers-config": "{}", "--api-key-file": "k",
    }  # fmt: skip
    for number, text in enumerate(texts.values()):
        (folder / f"f{number}").write_text(text, "utf-8")
    named = {first: str(folder / f"f{number}") for number, first in enumerate(texts)}
    return named | {
        first: str(folder)
        for first in ("--slot-save-path", "--media-path", "--path", "--log-prompts-dir")
    }


def value_for(option, files):
    """A value that the option takes."""
    if option.first in VALUES:
        return VALUES[option.first]
    if option.first in files:
        return files[option.first]
    if option.value in NUMBERS:
        return "0.5" if option.first in SHARES or option.value in ("SIMILARITY", "P") else "3"
    if option.value.startswith("<0"):
        return "1"
    if option.value.startswith("["):
        return "on"
    if option.value.startswith("{"):
        return option.value[1:-1].split(",")[0]
    return "/m/file"


def cases(files):
    """(option, spelling, value or None): every spelling of every option that serves."""
    for option in listed():
        if option.first in ASIDE or option.removed or option.first.endswith(("-default", "-spec")):
            continue
        for spelling in (*option.on, *option.off):
            yield option, spelling, value_for(option, files) if option.takes else None


def beside(option):
    """Words without which the option means nothing."""
    known = BY_FLAG.get(option.flag)
    key = known.key if known else ""
    if key in ("draft.model", "mmproj"):
        return []
    return next((words for start, words in BESIDE.items() if key.startswith(start)), [])


def is_kept(option):
    """Whether llm.toml has the option: as a key, or as a free argument."""
    known = BY_FLAG.get(option.flag)
    return known is None or bool(known.key and known.key != "port" and "services" not in known.key)


def generated(text):
    """The models of an import, and its faults' messages; planning six hundred would take long."""
    named, _ = with_devices(from_text("file", text))
    part = accepted(named, HARDWARE, home="/home/me")
    # What embeds is a service of its own else, with no section.
    for keys in part.tables.values():
        keys.update({"keep": "on_demand"} if "role" in keys else {})
    config = load([parse("llm.toml", document(part, HARDWARE, home="/home/me"))])
    library = resolve(config, {ref: header(ref) for ref in references(config)})
    return library, [item.message for item in part.faults]


def header(ref):
    if ref.endswith("lora"):
        return adapter(ref.removeprefix("file:"))
    if "mmproj" in ref:
        return facts(ref.removeprefix("file:"), architecture="clip")
    return facts(ref.removeprefix("file:"), context=TRAINED)


def same(first, before, after):
    """Whether two values of an option are one to the program."""
    if first == "-c" and before == "0":
        return after == str(TRAINED)
    if first == "--spec-draft-ngl" and before == "all":
        return after == "all"
    if first == "--chat-template-kwargs":
        return json.loads(before) == json.loads(after)
    if before == after:
        return True
    try:
        return [float(one) for one in before.split(",")] == [float(one) for one in after.split(",")]
    except (AttributeError, ValueError):
        return False


def difference(option, before, after, told):
    """What is wrong with what became of an option, or nothing."""
    value = before.get(option.first)
    if is_kept(option):
        again = written(option.first, after)
        if option.first == "--sampler-seq":
            value = samplers(value)
        off = not value and not again
        return "" if off or same(option.first, value, again) else f"{value!r} became {again!r}"
    if value is True and not told and option.first not in after:
        return "vanished without a word"
    return "" if told or not value else f"{value!r} was not named"


def written(first, after):
    """The value of an option where llmgen writes it in its own way."""
    if first == "-cmoe":
        return after.get("-ncmoe") == "999"
    if first in ("--samplers", "--sampler-seq"):
        return (
            samplers(after["--sampler-seq"])
            if "--sampler-seq" in after
            else after.get("--samplers")
        )
    return after.get(first)


def samplers(letters):
    return ";".join(SAMPLERS[letter] for letter in letters)


def test_presets(files, tmp_path):
    sections, asked = [], {}
    for option, spelling, value in cases(files):
        if option.takes == 2 or ";" in (value or ""):
            continue
        names = [(spelling.lstrip("-"), value or "true")]
        names += [(spelling.lstrip("-"), "off")] if not value else []
        names += [(option.variable, value or "1")] if option.variable.startswith("LLAMA_") else []
        for key, text in names:
            name = f"s{len(asked)}"
            asked[name] = (option, key, text)
            more = " = ".join(beside(option)).removeprefix("--")
            sections.append(f"[{name}]\nmodel = /m/a.gguf\n{more}\n{key} = {text}\n")
    original = "\n".join(sections)
    before = read_preset(original, tmp_path)
    library, faults = generated(original)
    items = [
        SimpleNamespace(name=one.name, model=one, settings=one.settings) for one in library.models
    ]
    preset = llama_server._models_ini(items, library, make_render([]))
    after = read_preset(preset.content.decode(), tmp_path)
    wrong = {}
    for name, (option, key, text) in asked.items():
        told = any(f"`{name}`" in message or f"[{name}]" in message for message in faults)
        if found := difference(option, before[name], after[name], told):
            wrong[f"{key} = {text}"] = found
    assert not wrong, "\n".join(f"{key}: {what}" for key, what in wrong.items())


def test_command_lines(files, tmp_path):
    """The original words as the program reads them, several options at once; each import by the
    help's table, after the program has taken the whole generated command line."""
    commands, asked = {}, {}
    for option, spelling, value in cases(files):
        name = f"s{len(asked)}"
        words = [spelling, *(("1", "2") if option.takes == 2 else [value] if value else [])]
        asked[name] = (option, words)
        commands[name] = {
            "cmd": shlex.join(["llama-server", "-m", "/m/a.gguf", *beside(option), *words])
        }
    library, faults = generated(yaml.safe_dump({"models": commands}))
    after = {one.name: argv(one, one.settings, library)[1:] for one in library.models}
    # Free arguments stand in them as they stood before, and are asked for below.
    own = [one.name for one in library.models if not one.extra_args]
    taken = {without_gpu(after[name]) for name in own if not needs_gpu(after[name])}
    refused = [told for words in taken if (told := starts_with(words))]
    assert not refused
    kept = [words for option, words in asked.values() if is_kept(option) and option.takes < 2]
    before = as_program_reads(kept, tmp_path)
    wrong = {}
    for name, (option, words) in asked.items():
        told = any(f"`{name}`" in message for message in faults)
        mine = before.get(tuple(words), options(words))
        if found := difference(option, mine, options(after[name]), told):
            wrong[shlex.join(words)] = found
    assert not wrong, "\n".join(f"{key}: {what}" for key, what in wrong.items())


def needs_gpu(words):
    """Whether a single GPU is named."""
    return any("CUDA" in word for word in words if word != "CUDA0,CUDA1")


def without_gpu(words):
    """The command line as a program without a GPU can read it."""
    return tuple("none" if word == "CUDA0,CUDA1" else word for word in words)


def as_program_reads(lines, folder):
    """What the program reads of each of these command lines: all that differ in option at once."""
    found, waiting = {}, [words for words in lines if not needs_gpu(words)]
    while waiting:
        batch = {}
        for words in waiting:
            batch.setdefault(by_spelling()[words[0]].first, words)
        read = read_words([word for words in batch.values() for word in words], folder)
        for first, words in batch.items():
            found[tuple(words)] = options(words) if first in NOT_PASSED_ON else {first: read[first]}
        waiting = [words for words in waiting if tuple(words) not in found]
    return found


def test_variables(files, tmp_path):
    """Read as keys of a preset, where the program knows variables too; it then takes them itself."""
    models, asked = {}, {}
    for option in listed():
        known = {
            first for first, _, _ in ((one.first, word, text) for one, word, text in cases(files))
        }
        if option.first not in known or not option.variable.startswith("LLAMA_ARG_"):
            continue
        for variable in option.variables:
            name = f"s{len(asked)}"
            value = value_for(option, files) if option.takes else "1"
            asked[name] = (option, variable, value)
            command = shlex.join(["llama-server", "-m", "/m/a.gguf", *beside(option)])
            models[name] = {"cmd": command, "env": [f"{variable}={value}"]}
    library, faults = generated(yaml.safe_dump({"models": models}))
    after = {one.name: options(argv(one, one.settings, library)[1:]) for one in library.models}
    wrong, taken = {}, {False: {}, True: {}}
    for name, (option, variable, value) in asked.items():
        off = variable in option.variables[1:]
        before = {option.first: value if option.takes else not off}
        told = any(f"`{name}`" in message for message in faults)
        if not needs_gpu([value]) and option.first != "--rpc":
            taken[off][variable] = value
        if found := difference(option, before, after[name], told):
            wrong[f"{variable}={value}"] = found
    assert not wrong, "\n".join(f"{key}: {what}" for key, what in wrong.items())
    assert len(taken[False]) > 80
    assert [starts_with(["-m", "x"], variables) for variables in taken.values()] == ["", ""]
