"""Configurations in the shapes that people use come over whole, and the real programs take them.

Each file of ``corpus`` is imported, checked, generated; what llama-swap makes of the result is
compared with what it makes of the file, and no key of any file may go without a trace.
"""

import copy
import json
import re
from functools import cache
from pathlib import Path

import effective
import httpx
import pytest
import readers
import yaml
from click.testing import CliRunner
from making import facts
from readers.llama_swap_rules import problems
from readers.ports import free_port
from readers.running import running

from llmgen.cli.import_ import cli
from llmgen.config.edit import key_text
from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.errors import Severity
from llmgen.machine import machine
from llmgen.options import BY_FLAG
from llmgen.plan.place import place
from llmgen.render.environment import make_render
from llmgen.resolve import references, resolve
from llmgen.resolve.swap_keys import _schema
from llmgen.resolve.table_rules import findings
from llmgen.targets.selection import selected

CORPUS = Path(__file__).with_name("corpus")
FILES = sorted(path.name for path in CORPUS.iterdir())
SWAPS = [name for name in FILES if name.startswith("swap-")]
PROFILE = "nvidia-2x24gb"


def run(text, suffix=".yaml"):
    """(llm.toml, everything that import says) of a text."""
    result = CliRunner().invoke(cli, ["-", "--profile", PROFILE, "--json"], input=text)
    document = json.loads(result.stdout)
    if result.exit_code:
        return "", [item["message"] for item in document["diagnostics"]]
    said = [f"{item['message']} {item['hint']}" for item in document["diagnostics"]]
    return document["data"]["content"], said


@cache
def imported(name):
    return run((CORPUS / name).read_text("utf-8"))


def config(content):
    return load([parse("llm.toml", content)])


def _facts(ref):
    name = ref.partition(":")[2]
    architecture = "clip" if "mmproj" in name else "llama"
    return facts(name, architecture=architecture, context=262144)


def library(content):
    chosen = config(content)
    return resolve(chosen, {ref: _facts(ref) for ref in references(chosen)})


def with_memory(content, said):
    """What a person fills in where import says that nobody knows what a program takes."""
    for name in re.findall(r"how much memory `([^`]*)` takes, and it may be", " ".join(said)):
        table = f"[models.{key_text(name)}]\n"
        content = content.replace(table, table + 'memory = { gpu0 = "1GiB", host = "1GiB" }\n')
    return content


@cache
def generated(name):
    """The tree of a file of the corpus, as text by path; and the plan."""
    plan = place(library(with_memory(*imported(name))))
    render = make_render()
    artifacts = [item for target in selected(plan) for item in target.artifacts(plan, render)]
    return {str(item.path): item.content.decode() for item in artifacts}, plan


def swap_of(name):
    return generated(name)[0]["llama-swap/config.yaml"]


def test_the_corpus_is_large_enough():
    assert len(FILES) >= 40


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", FILES)
def test_what_import_writes_is_never_wrong(name):
    content, said = imported(name)
    assert content, said
    chosen = config(content)
    found = findings(chosen, machine(chosen.hardware, chosen.budget))
    assert [item for item in found if item.severity is Severity.ERROR] == []
    assert not any("not-accepted" in line for line in said)
    generated(name)


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", SWAPS)
def test_llama_swap_is_told_the_same(name):
    old_text, said = (CORPUS / name).read_text("utf-8"), " ".join(imported(name)[1])
    old, new = effective.models(old_text), effective.models(swap_of(name))
    for model, table in old.items():
        called = renamed(model, said)
        if f"`{model}` is left out" in said:
            continue
        differences = [*compare(model, table, new[called], said)]
        assert differences == []
    served = {name for table in new.values() for name in effective.names(table)} | {*new}
    for table in old.values():
        missing = {alias for alias in effective.names(table) if alias not in served}
        assert all(f"`{alias}`" in said for alias in missing)


def renamed(model, said):
    found = re.search(rf"`{re.escape(model)}` is called `([^`]*)`", said)
    return found[1] if found else model


def compare(model, old, new, said):
    """What differs between two entries, and is not said."""
    for key, value in old.items():
        if key in ("cmd", "aliases", "env", "proxy", "filters", "concurrencyLimit", "cmdStop"):
            continue
        if new.get(key) != value and not is_said(key, model, said):
            yield key, value, new.get(key)
    filters = new["filters"]
    for key, value in old["filters"].items():
        if filters.get(key) != value and not is_said(key, model, said):
            yield "filters", key, value, filters.get(key)
    if (limit := old.get("concurrencyLimit")) and new["concurrencyLimit"] != limit:
        yield "concurrencyLimit", limit, new["concurrencyLimit"]
    yield from commands(model, old, new, said)


def is_said(key, model, said):
    return re.search(rf"`[^`]*\b{re.escape(key)}\b[^`]*` (?:of|in) `{re.escape(model)}`", said)


def commands(model, old, new, said):
    """Options of llama-server, up to order and spelling; the environment counts as options."""
    before, after = effective.words(old), effective.words(new)
    if any("llama.cpp:server" in word for word in before):
        # The options of the server stand behind the image.
        before, after = (
            [
                "llama-server",
                *words[next(n for n, w in enumerate(words) if "llama.cpp:" in w) + 1 :],
            ]
            for words in (before, after)
        )
    if not any("llama-server" in word for word in before[:8]):
        yield from (("cmd", word) for word in before if not carried(word, after, said))
        return
    wanted, has = options(before), options(after)
    for flag, value in wanted.items():
        if flag in ("--host", "--port", "--hf-repo", "--spec-draft-hf", "--alias"):
            continue
        if flag not in has and flag.lstrip("-") not in said:
            yield model, flag, value, "absent"
        elif flag in has and not same(flag, value, has[flag]) and flag.lstrip("-") not in said:
            yield model, flag, value, has[flag]
    environment = dict(row.split("=", 1) for row in new.get("env") or ())
    for row in (*(old.get("env") or ()), *(w for w in before[:4] if re.match(r"[A-Z_]+=", w))):
        name, _, value = row.partition("=")
        told = name in said or name.startswith("LLAMA_ARG_") or "VISIBLE_DEVICES" in name
        if environment.get(name) != value and not told:
            yield model, row, environment.get(name)


def carried(word, after, said):
    """A word of another program: as it is, or said."""
    return word in after or word in said


def options(words):
    """Option of the table to its value; the program is the first word that is llama-server."""
    found, at = {}, 0
    while at < len(words):
        flag = words[at].partition("=")[0]
        option = BY_FLAG.get(flag)
        at += 1
        if not flag.startswith("-"):
            continue
        name = option.flag if option else flag
        takes = at < len(words) and not (words[at].startswith("-") and not words[at][1:2].isdigit())
        switch = option is not None and option.switch
        found[name] = words[at] if takes and not switch else flag
        at += takes and not switch
    return found


SAME = {"on": "1", "true": "1", "off": "0", "false": "0", "all": "99", "-1": "99", "999": "99"}


def same(flag, old, new):
    if flag == "--model":
        return Path(new).name == Path(old).name
    first, second = (SAME.get(str(item), str(item)) for item in (old, new))
    if first == second or flag in ("--jinja", "--kv-unified"):
        return True
    try:
        return json.loads(first) == json.loads(second)
    except ValueError:
        return (
            [*map(float, first.split(","))] == [*map(float, second.split(","))]
            if re.fullmatch(r"[\d.,]+", first)
            else False
        )


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", SWAPS)
def test_what_the_groups_allowed_may_meet(name):
    old_text, said = (CORPUS / name).read_text("utf-8"), " ".join(imported(name)[1])
    _, plan = generated(name)
    told = {item.key[-1] for item in plan.notes if item.code == "plan.not-together"}
    wishes = config(imported(name)[0]).plan.wish_together
    forbidden = [{*group} for index, group in enumerate(wishes) if index in told]
    allowed = (
        effective.together(swap_of(name))
        if "matrix" in swap_of(name)
        else {frozenset(effective.models(swap_of(name)))}
    )
    every = effective.models(swap_of(name))
    for members in effective.together(old_text):
        called = {renamed(member, said) for member in members} & {*every}
        assert any(called <= other for other in allowed) or called in forbidden


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", SWAPS)
def test_preload_and_settings_of_the_file_are_the_same(name):
    old_text, said = (CORPUS / name).read_text("utf-8"), " ".join(imported(name)[1])
    new_text = swap_of(name)
    assert effective.preload(new_text) == effective.preload(old_text)
    old, new = effective.documents(old_text), effective.documents(new_text)
    special = {
        "models",
        "macros",
        "groups",
        "matrix",
        "routing",
        "hooks",
        "peers",
        "apiKeys",
        "globalTTL",
    }
    for key in old.keys() - special:
        value = json.loads(json.dumps(old[key]).replace("null", '""'))
        assert new.get(key) == value or f"`{key}`" in said, key


def environment(text):
    return dict.fromkeys(re.findall(r"\$\{env\.(\w+)\}", text), "x")


@pytest.mark.sample(6)
@pytest.mark.reader("llama-swap")
@pytest.mark.parametrize("name", SWAPS)
def test_the_real_llama_swap_takes_it_and_lists_the_same_names(name, tmp_path):
    said = " ".join(imported(name)[1])
    lists = []
    for number, given in enumerate(((CORPUS / name).read_text("utf-8"), swap_of(name))):
        # Preloads would start the programs, and a store would want its folder.
        text = re.sub(r"(?m)^\"?store\"?:.*$", "", given).replace(
            'includeAliasesInList": false', 'includeAliasesInList": true'
        )
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        words = [readers.find("llama-swap"), "-config", file, "-listen", f"127.0.0.1:{port}"]
        log = tmp_path / f"{number}.log"
        try:
            with running(words, ready=f"{url}/health", log=log, env=environment(text)):
                headers = {"Authorization": "Bearer x"}
                rows = httpx.get(f"{url}/v1/models", headers=headers).json()["data"]
                lists.append({row["id"] for row in rows})
        except AssertionError:
            # A group names a model that does not exist: the old file never started.
            assert number == 0
            assert "no model config for" in log.read_text()
            lists.append({*effective.models(text)})
    for model in lists[0] - lists[1]:
        assert renamed(model, said) in lists[1] or f"`{model}`" in said


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", SWAPS)
def test_the_generated_file_has_no_trap_of_llama_swap(name):
    allowed = {"${PID} is no macro"}
    assert {*problems(swap_of(name))} - allowed == set()


# --- every key has a trace -------------------------------------------------------------------


def leaves(value, path=()):
    """Paths of everything that can be taken out of a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    if path:
        yield path


def without(document, path):
    found = copy.deepcopy(document)
    holder = found
    for step in path[:-1]:
        holder = holder[step]
    value = holder.pop(path[-1])
    return found, value


def usual():
    """(key, value) pairs that say what llama-swap does anyway, by its schema."""
    found = {("checkEndpoint", "/health"), ("proxy", None), ("use", "fifo")}
    # What llmgen writes for every model, or derives for its containers.
    found |= {("proxy", "http://127.0.0.1:${PORT}"), ("cmdStop", "docker stop ${MODEL_ID}")}
    found |= {("LLAMA_ARG_HOST", "0.0.0.0")}
    waiting = [_schema()]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            for key, inner in item.get("properties", {}).items():
                if isinstance(inner, dict) and not isinstance(
                    inner.get("default", {}), dict | list
                ):
                    found.add((key, inner["default"]))
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return found


def named_whole(path, said):
    """Whether the service of a compose file around a key is left out, or the key above it."""
    if path[0] != "services" or len(path) < 3:
        return path[0] == "volumes"
    inside = f"`{path[2]}` of the service `{path[1]}` is left out"
    return f"the service `{path[1]}` is left out" in said or (len(path) > 3 and inside in said)


def goes_without_saying(key, value, known):
    if isinstance(value, dict):
        return bool(value) and all(goes_without_saying(*pair, known) for pair in value.items())
    return not isinstance(value, list) and (key, value) in known


def repeats(path, value, less):
    """Parts that were copied to where they count, and aliases that a filter has made already."""
    if path[0].startswith("x-") and len(path) > 1:
        return True
    if path[-2:-1] == ("aliases",):
        model = less["models"][path[1]]
        return value in ((model.get("filters") or {}).get("setParamsByID") or {})
    return False


def same_sets(path, whole, less):
    """Whether groups without this key still let the same models meet, and stay."""
    if path[0] not in ("groups", "matrix", "routing") or not less.get("models"):
        return False
    try:
        return all(
            look(yaml.safe_dump(whole)) == look(yaml.safe_dump(less))
            for look in (effective.meetings, effective.kept)
        )
    except KeyError:
        # A variable of the matrix is gone.
        return False


# What llmgen writes into LiteLLM's file whoever asks: taking it out changes nothing.
LITELLM = {("api_key", "none"), ("drop_params", True), ("mode", "chat"), ("hidden", False)}
LITELLM |= {("mode", "embedding")}
# What opens a vendor's devices to a container, and what a server inside has to listen on.
COMPOSE = ("nvidia", "gpu", "/dev/dri:/dev/dri", "0.0.0.0")


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    "name", [name for name in FILES if name.endswith((".yaml", ".yml", ".json"))]
)
def test_no_key_of_a_document_goes_without_a_trace(name):
    text = (CORPUS / name).read_text("utf-8")
    whole, *_ = yaml.safe_load_all(text)
    dump = (
        json.dumps if name.endswith(".json") else lambda item: yaml.safe_dump(item, sort_keys=False)
    )
    before, silent, known = run(dump(whole)), [], usual() | LITELLM
    for path in leaves(whole):
        less, value = without(whole, path)
        if goes_without_saying(path[-1], value, known):
            continue
        if named_whole(path, " ".join(before[1])) or value in (
            *COMPOSE,
            *([item] for item in COMPOSE),
        ):
            continue
        if repeats(path, value, less) or (
            name.startswith("swap-") and same_sets(path, whole, less)
        ):
            continue
        if run(dump(less)) == before:
            silent.append((path, value))
    assert silent == []


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    "name", [name for name in FILES if not name.endswith((".yaml", ".yml", ".json"))]
)
def test_no_line_of_a_text_goes_without_a_trace(name):
    lines = (CORPUS / name).read_text("utf-8").splitlines()
    before, silent = run("\n".join(lines)), []
    for at, line in enumerate(lines):
        bare = line.strip().rstrip("\\").strip()
        if not bare or bare.startswith(("#", ";", "[")) or bare in SHELL:
            continue
        if run("\n".join(lines[:at] + lines[at + 1 :])) == before:
            silent.append(line)
    assert silent == []


# Lines of a script that are about the shell alone.
SHELL = {"set -euo pipefail", "wait", ")", "version = 1"}
