"""The table of options against the real server's help, and what extra_args may not say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import readers

from llmgen.config.tables.models import ServerOptions
from llmgen.config.tables.sampling import Sampling
from llmgen.option_table import OPTIONS
from llmgen.options import BY_FLAG, is_option_variable, key_of_variable, refused_extra, spelled
from llmgen.server_help import BUILD, by_spelling

ROOT = Path(__file__).parents[1]
TOOL, DATA = ROOT / "tools/write_server_options.py", ROOT / "llmgen/data/server_options.tsv"


@pytest.fixture(scope="module")
def manual():
    """Each spelling that `llama-server --help` lists, with its environment variable."""
    done = subprocess.run(
        [readers.find("llama-server"), "--help"], capture_output=True, text=True, check=True
    )
    found, words = {}, []
    for line in done.stdout.splitlines():
        if line.startswith("-"):
            head = re.split(r"  +(?=\S)|$", line.replace(",   ", ", ").replace(",  ", ", "))[0]
            words = re.findall(r"(?:^|[ ,])(--?[A-Za-z][\w.-]*)", head)
            found |= dict.fromkeys(words, "")
        if match := re.search(r"\(env: (\w+)\)", line):
            found |= dict.fromkeys(words, match[1])
    return found


@pytest.mark.reader("llama-server")
def test_every_written_spelling_is_known_to_the_build(manual):
    written = {
        word
        for option in OPTIONS
        if option.known_to(BUILD) and option.key
        for word in (option.flag, *option.negative[:1])
    }
    assert written - set(manual) == set()


@pytest.mark.reader("llama-server")
def test_every_variable_is_the_one_that_the_build_reads(manual):
    wrong = {
        option.flag: (option.variable_of(BUILD), manual[option.flag])
        for option in OPTIONS
        if option.key
        and option.known_to(BUILD)
        and option.variable_of(BUILD) != manual[option.flag]
    }
    assert wrong == {}


@pytest.mark.reader("llama-server")
def test_options_of_the_help_that_move_memory_are_kept(manual):
    """Anything whose name speaks of a memory matter must be in the table."""
    matters = re.compile(
        r"ctx|cache|batch|gpu|kv|fit|moe|tensor|mmap|mlock|load-mode|device|model|mmproj|offload|lora"
    )
    # Prompt caching on slots that exist, files that are read once, and what only sounds like it.
    harmless = {
        "--cache-list",
        "--cache-prompt",
        "--no-cache-prompt",
        "--cache-idle-slots",
        "--no-cache-idle-slots",
        "--check-tensors",
        "--lookup-cache-static",
        "--lookup-cache-dynamic",
        "--lora-init-without-apply",
        "--cont-batching",
        "--no-cont-batching",
        "--threads-batch",
        "--cpu-mask-batch",
        "--cpu-range-batch",
        "--cpu-strict-batch",
        "--prio-batch",
        "--poll-batch",
        "--threads-batch-draft",
        "--cpu-mask-batch-draft",
        "--cpu-strict-batch-draft",
        "--prio-batch-draft",
        "--poll-batch-draft",
        "--spec-draft-threads-batch",
        "--spec-draft-cpu-mask-batch",
        "--spec-draft-cpu-strict-batch",
        "--spec-draft-prio-batch",
        "--spec-draft-poll-batch",
    }
    names = {word for word in manual if word.startswith("--") and matters.search(word)}
    assert names - set(BY_FLAG) - harmless == set()


@pytest.mark.reader("llama-server")
def test_shipped_options_are_those_of_the_build():
    helped = subprocess.run(
        [readers.find("llama-server"), "--help"], capture_output=True, check=True
    )
    written = subprocess.run(
        [sys.executable, TOOL], input=helped.stdout, capture_output=True, check=True
    )
    assert written.stdout == DATA.read_bytes(), f"refresh it: llama-server --help | {TOOL.name}"


def test_written_and_shipped_options_say_the_same():
    for option in OPTIONS:
        for word in option.spellings if option.known_to(BUILD) else ():
            found = by_spelling().get(word)
            if found is None or found.removed:
                continue
            assert option.switch is not bool(found.value), word
            assert not option.key or (word in option.negative) is (word in found.off), word
            assert option.variable_of(BUILD) in ("", found.variable), word


def test_every_key_of_llm_toml_has_its_option():
    keys = {option.key for option in OPTIONS}
    assert {*ServerOptions.model_fields} - keys == set()
    assert {f"sampling.{name}" for name in Sampling.model_fields} - keys == set()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["-c", "4096"], [(0, "-c", "ctx_size")]),
        (["--ctx-size=4096"], [(0, "--ctx-size=4096", "ctx_size")]),
        (["--ctx_size", "4096"], [(0, "--ctx_size", "ctx_size")]),
        (["--no-mmap"], [(0, "--no-mmap", "load_mode")]),
        (["--mlock"], [(0, "--mlock", "load_mode")]),
        (["--verbosity", "2", "-ngl", "5"], [(2, "-ngl", "n_gpu_layers")]),
        (["--draft-max", "8"], [(0, "--draft-max", "draft.spec_draft_n_max")]),
        (["--no-kv-unified"], [(0, "--no-kv-unified", "kv_unified")]),
        (["--temp", "1"], [(0, "--temp", "sampling.temp")]),
        (["--fit-target", "512"], [(0, "--fit-target", "")]),
        (["--log-file", "-c"], [(1, "-c", "ctx_size")]),
        (["--verbosity", "2", "--seed-of-something", "-1"], []),
    ],
)
def test_extra_arguments_that_a_key_models_are_found(words, found):
    assert [*refused_extra(words)] == found


def test_no_spelling_belongs_to_two_options():
    spellings = [word for option in OPTIONS for word in option.spellings]
    assert len(spellings) == len(set(spellings))


def test_a_value_is_no_option():
    assert [spelled(word) for word in ("-1", "value", "--x=1", "-c", "--a_b")] == [
        "",
        "",
        "--x",
        "-c",
        "--a-b",
    ]


@pytest.mark.parametrize(("build", "known"), [(10104, False), (10105, True)])
def test_load_mode_came_with_its_build(build, known):
    assert BY_FLAG["--load-mode"].known_to(build) is known
    assert BY_FLAG["--no-mmap"].known_to(build) is not known


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("LLAMA_ARG_CTX_SIZE", "ctx_size"),
        ("LLAMA_ARG_NO_KV_OFFLOAD", "kv_offload"),
        ("LLAMA_API_KEY", "services.api_key"),
        ("LLAMA_ARG_RPC", ""),
        ("LLAMA_ARG_DRAFT_MAX", "draft.spec_draft_n_max"),
        ("MTMD_BACKEND_DEVICE", ""),
    ],
)
def test_variables_that_set_options_are_known_with_their_keys(name, key):
    assert is_option_variable(name)
    assert key_of_variable(name) == key
    assert not is_option_variable("LLAMA_CACHE")
