"""Whatever moves memory is on the command line, by the list of the real `llama-server --help`.

An option that the help lists is in exactly one of three tables: always written, written where it is
asked for, or none of memory's. The reasons say why nothing that is left out is settled at the
moment of the start, by what is free or what else runs. (Options that no command has can still be
set by LLAMA_ARG_* or llama.cpp/config.ini, which `llmgen doctor` looks at.)
"""

import pytest
from libraries import TWO_CARDS, models, planned
from readers.help_options import help_options

from llmgen.options import refused_extra

pytestmark = pytest.mark.reader("llama-server")
BUILD = 11434

# On every command: each has a default that the server settles itself, by the model or the machine.
ALWAYS = {
    "--model": "the file",
    "--ctx-size": "0 is the trained context, for each slot or for all, as --fit says",
    "--parallel": "-1 is 4 slots with one cache",
    "--kv-unified": "follows --parallel where that is auto",
    "--batch-size": "planned with, and capped by the context",
    "--ubatch-size": "planned with: compute buffers grow with it",
    "--flash-attn": "`auto` is the model's and the devices' (resolve_fused_ops in llama-context.cpp "
    "compares the device of each attention in a first graph with its layer's), not the moment's: "
    "the budget decides it by the same comparison",
    "--cache-type-k": "planned with",
    "--cache-type-v": "planned with",
    "--kv-offload": "planned with",
    "--device": "absent: every device that is found, RPC and integrated ones by rules of their own",
    "--n-gpu-layers": "`auto` is all, or what --fit finds free",
    "--load-mode": "`auto` is mmap unless one of the devices named cannot (load_tensors in "
    "llama-model.cpp asks the backend, not the memory)",
    "--cache-ram": "8 GiB of the host in each process",
    "--ctx-checkpoints": "32 for each slot",
    "--fit": "on: everything unset is fitted to what is free",
}
# On the command of a model that has it; absent is one thing, whatever the moment.
WHERE_ASKED = {
    "--rpc": "no devices of other machines",
    "--tensor-split": "on several devices always; one device has no shares",
    "--swa-full": "a switch that is off without it",
    "--n-cpu-moe": "0",
    "--override-tensor": "nothing is moved",
    "--split-mode": "layer",
    "--main-gpu": "only `none` and `row` hear it; `none` is settled by --device",
    "--mmproj": "no projector; --mmproj-offload and --device say where it is",
    "--mmproj-offload": "with a projector",
    "--lora": "no adapter",
    "--lora-scaled": "no adapter",
    "--embedding": "by role: what is reserved for outputs",
    "--rerank": "by role: what is reserved for outputs",
    "--pooling": "by role, else the model's own",
    "--spec-type": "none; with a draft always",
    "--spec-draft-model": "no draft",
    "--spec-draft-n-max": "with a draft always: rows and rollback states follow it",
    "--spec-draft-ngl": "with a draft model always",
    "--spec-draft-device": "with a draft model always",
    "--spec-draft-type-k": "with a draft always",
    "--spec-draft-type-v": "with a draft always",
    "--threads": "the machine's cores: about 0.3 MiB of the host for each, within its reserve; "
    "written where [hardware] or the model says how many",
    "--threads-batch": "as --threads",
    "--sleep-idle-seconds": "never asleep",
}
# extra_args refuses these, and absent they are one thing, whatever the moment.
REFUSED = {
    "--repack": "on; host memory of the same size either way",
    "--no-host": "off",
    "--lazy-mode": "auto: tensors above 4 GiB, by their size alone",
    "--op-offload": "on: compute buffers are planned with what it copies",
    "--cpu-moe": "written as --n-cpu-moe",
    "--n-cpu-ffn": "0",
    "--fit-target": "unheard with --fit off",
    "--fit-ctx": "unheard with --fit off",
    "--kv-unified-per-slot": "unheard with --ctx-size",
    "--checkpoint-min-step": "8,192 tokens; the most of them is --ctx-checkpoints",
    "--override-kv": "the header's own values",
    "--control-vector": "none",
    "--control-vector-scaled": "none",
    "--hf-repo": "the file is named by --model",
    "--hf-file": "the file is named by --model",
    "--model-url": "the file is named by --model",
    "--docker-repo": "the file is named by --model",
    "--hf-token": "the file is named by --model",
    "--mmproj-url": "the file is named by --mmproj",
    "--mmproj-auto": "looks for a projector only with --hf-repo",
    "--mmproj-device": "the first of --device (parse of arg.cpp), as it is planned",
    "--image-min-tokens": "the projector's own",
    "--image-max-tokens": "the projector's own",
    "--mtmd-batch-max-tokens": "a constant",
    "--spec-draft-hf": "the file is named by --spec-draft-model",
    "--spec-draft-override-tensor": "nothing is moved",
    "--spec-draft-cpu-moe": "off",
    "--spec-draft-n-cpu-moe": "0",
    "--backend-sampling": "off",
    "--spec-draft-backend-sampling": "for drafts only; its buffers are the logits'",
    "--models-dir": "router: models are those of the INI",
    "--models-preset": "router: its INI",
    "--models-max": "router: always written there",
    "--models-autoload": "router: loads what is asked for, within --models-max",
    "--embd-gemma-default": "the file is named by --model",
    "--fim-qwen-1.5b-default": "the file is named by --model",
    "--fim-qwen-3b-default": "the file is named by --model",
    "--fim-qwen-7b-default": "the file is named by --model",
    "--fim-qwen-7b-spec": "the file is named by --model",
    "--fim-qwen-14b-spec": "the file is named by --model",
    "--fim-qwen-30b-default": "the file is named by --model",
    "--gpt-oss-20b-default": "the file is named by --model",
    "--gpt-oss-120b-default": "the file is named by --model",
    "--vision-gemma-4b-default": "the file is named by --model",
    "--vision-gemma-12b-default": "the file is named by --model",
    "--spec-default": "no draft",
}
# Nothing of memory's, beside what a request or a log line takes.
NOT_MEMORY = {
    "ends at once": "--help --version --cache-list --completion-bash --list-devices",
    "where and when threads run": "--cpu-mask --cpu-range --cpu-strict --prio --poll --numa "
    "--cpu-mask-batch --cpu-range-batch --cpu-strict-batch --prio-batch --poll-batch "
    "--spec-draft-threads --spec-draft-threads-batch --spec-draft-cpu-mask --spec-draft-cpu-range "
    "--spec-draft-cpu-strict --spec-draft-prio --spec-draft-poll --spec-draft-cpu-mask-batch "
    "--spec-draft-cpu-strict-batch --spec-draft-prio-batch --spec-draft-poll-batch",
    "stacks of idle threads, which take pages only as they run": "--threads-http",
    "numbers within a graph, not its shape": "--rope-scaling --rope-scale --rope-freq-base "
    "--rope-freq-scale --yarn-orig-ctx --yarn-ext-factor --yarn-attn-factor --yarn-beta-slow "
    "--yarn-beta-fast --control-vector-layer-range --lora-init-without-apply",
    "what is done with slots that exist, within --cache-ram": "--cache-prompt --cache-reuse "
    "--cache-idle-slots --context-shift --cont-batching --slot-prompt-similarity --keep "
    "--n-predict --slot-save-path",
    "no longer does anything": "--defrag-thold --draft --draft-min --spec-ngram-size-n "
    "--spec-ngram-size-m --spec-ngram-min-hits",
    "reads or runs once what is there already": "--check-tensors --warmup --offline",
    "drafting by n-grams of the text: tables of the host, by the tokens seen": "--spec-draft-n-min "
    "--spec-synth-len --spec-synth-rates --spec-draft-p-split --spec-draft-p-min "
    "--spec-draft-sampling --spec-ngram-mod-n-min --spec-ngram-mod-n-max --spec-ngram-mod-n-match "
    "--spec-ngram-simple-size-n --spec-ngram-simple-size-m --spec-ngram-simple-min-hits "
    "--spec-ngram-map-k-size-n --spec-ngram-map-k-size-m --spec-ngram-map-k-min-hits "
    "--spec-ngram-map-k4v-size-n --spec-ngram-map-k4v-size-m --spec-ngram-map-k4v-min-hits "
    "--lookup-cache-static --lookup-cache-dynamic",
    "sampling, of one row of logits": "--samplers --seed --sampler-seq --ignore-eos --temp --top-k "
    "--top-p --min-p --top-nsigma --xtc-probability --xtc-threshold --typical --repeat-last-n "
    "--repeat-penalty --presence-penalty --frequency-penalty --dry-multiplier --dry-base "
    "--dry-allowed-length --dry-penalty-last-n --dry-sequence-breaker --adaptive-target "
    "--adaptive-decay --dynatemp-range --dynatemp-exp --mirostat --mirostat-lr --mirostat-ent "
    "--logit-bias --grammar --grammar-file --json-schema --json-schema-file",
    "logs": "--log-disable --log-file --log-jsonl --log-colors --verbose --verbosity --log-prefix "
    "--log-timestamps --log-prompts-dir --perf",
    "text in and out": "--escape --reverse-prompt --special --spm-infill --embd-normalize --alias "
    "--tags --chat-template-kwargs --jinja --reasoning-format --reasoning --reasoning-effort "
    "--reasoning-budget --reasoning-budget-message --reasoning-preserve --chat-template "
    "--chat-template-file --skip-chat-parsing --prefill-assistant --video-fps "
    "--video-timestamp-interval --video-ffmpeg-dir --media-path",
    "HTTP": "--host --port --reuse-port --path --cors-origins --cors-methods --cors-headers "
    "--cors-credentials --api-prefix --ui-config --ui-config-file --ui-mcp-proxy --tools "
    "--tools-runtime --mcp-servers-config --mcp-servers-json --agent --ui --api-key --api-key-file "
    "--ssl-key-file --ssl-cert-file --timeout --sse-ping-interval --metrics --props --slots",
}
HARMLESS = {flag for flags in NOT_MEMORY.values() for flag in flags.split()}
HEAD = TWO_CARDS + f"[llama_cpp]\nbuild = {BUILD}\n"
KINDS = {
    "chat": "",
    "one device": 'device = ["gpu1"]',
    "host": "device = []",
    "some layers": "n_gpu_layers = 3",
    "open": 'ctx_size = "max"\ndevice = "auto"\ntensor_split = "auto"\nn_gpu_layers = "auto"',
    "embedding": 'role = "embedding"',
    "rerank": 'role = "rerank"',
    "draft": 'draft = { model = "d.gguf" }',
}


def spellings(words):
    """What a command says, each option under all of its spellings in the help."""
    said = {word for word in words if word.startswith("-")}
    return {name for option in help_options() if said & {*option} for name in option}


def test_every_option_of_the_help_is_in_one_table():
    tables = (ALWAYS.keys(), WHERE_ASKED.keys(), REFUSED.keys(), HARMLESS)
    found = {
        option: sum(len({*option} & {*table}) for table in tables) for option in help_options()
    }
    assert {option: count for option, count in found.items() if count != 1} == {}


def test_every_entry_is_an_option_of_the_help():
    known = {name for option in help_options() for name in option}
    assert {*ALWAYS, *WHERE_ASKED, *REFUSED, *HARMLESS} - known == set()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_moves_memory_is_always_written(kind):
    (placed,) = planned(models("a", options=kind), head=HEAD, layers=4).placements
    assert {*ALWAYS} - spellings(placed.argv) == set()
    assert placed.argv[placed.argv.index("--fit") + 1] == "off"
    unsettled = {"--ctx-size": "0", "--parallel": "-1", "--n-gpu-layers": "auto"}
    assert not {flag for flag, value in unsettled.items() if value == after(placed.argv, flag)}


def after(words, flag):
    return words[words.index(flag) + 1]


def test_what_a_model_has_more_is_written_with_it():
    several = planned(models("a", options=KINDS["draft"]), head=HEAD, layers=4).placement("a").argv
    wanted = {"--tensor-split", *(flag for flag in WHERE_ASKED if flag.startswith("--spec-draft"))}
    assert {*wanted, "--spec-type"} - {*several} == set()


def test_refused_options_are_refused():
    wrong = [flag for flag in (*ALWAYS, *REFUSED) if not [*refused_extra([flag, "1"])]]
    assert wrong == []
