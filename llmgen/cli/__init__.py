"""The command line: one module for each command, imported only when it is called."""

from __future__ import annotations

from typing import Final

# Command name: (module, one line for `llmgen --help`), in the order in which they are listed.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "init": ("llmgen.cli.init", "write a commented llm.toml for this machine"),
    "check": ("llmgen.cli.check", "validate and plan llm.toml; say what is wrong"),
    "lock": ("llmgen.cli.lock", "read the facts of the models into llm.lock"),
    "pull": ("llmgen.cli.pull", "download what llm.lock names, and check it"),
    "show": ("llmgen.cli.show", "the plan: memory pools, models, ports, aliases"),
    "report": ("llmgen.cli.report", "the plan as a page to look at"),
    "generate": ("llmgen.cli.generate", "write every configuration below generated/"),
    "diff": ("llmgen.cli.diff", "what generate would change, as a unified diff"),
    "inspect": ("llmgen.cli.inspect", "what GGUF files need under given server options"),
    "fit": ("llmgen.cli.fit", "which context, cache type and slots fit a machine"),
    "verify": ("llmgen.cli.verify", "compare the plan's memory with llama-fit-params"),
    "measure": ("llmgen.cli.measure", "measure what a model's server holds"),
    "build": ("llmgen.cli.build", "build llama.cpp: images, or programs for this machine"),
    "install": ("llmgen.cli.install", "put the configurations in place and start what changed"),
    "uninstall": ("llmgen.cli.uninstall", "stop the services and remove what install wrote"),
    "generations": ("llmgen.cli.generations", "list what was installed, and when to go back to"),
    "rollback": ("llmgen.cli.rollback", "install an earlier generation again"),
    "up": ("llmgen.cli.up", "start the services, or the stack in this terminal"),
    "down": ("llmgen.cli.down", "stop the services"),
    "restart": ("llmgen.cli.restart", "restart services"),
    "enable": ("llmgen.cli.enable", "start services with the machine"),
    "disable": ("llmgen.cli.disable", "start services only by hand"),
    "status": ("llmgen.cli.status", "wanted, written, running: what is different"),
    "top": ("llmgen.cli.top", "the running stack, live in this terminal"),
    "open": ("llmgen.cli.open_", "the pages of the stack, in a browser"),
    "logs": ("llmgen.cli.logs", "what the services said"),
    "load": ("llmgen.cli.load", "load an on-demand model"),
    "unload": ("llmgen.cli.unload", "unload on-demand models"),
    "wake": ("llmgen.cli.wake", "wake hosts that sleep, and wait until they answer"),
    "run": ("llmgen.cli.run", "chat with a model in this terminal"),
    "guard": ("llmgen.cli.guard", "unload idle models when memory runs short"),
    "doctor": ("llmgen.cli.doctor", "compare this machine with the plan; change nothing"),
    "models": ("llmgen.cli.models", "list, scan, add and remove models of llm.toml"),
    "sync": ("llmgen.cli.sync", "let llm.toml follow the models that are here"),
    "import": ("llmgen.cli.import_", "turn other tools' files into an llm.toml"),
    "bench": ("llmgen.cli.bench", "measure the models of the plan"),
    "tool": ("llmgen.cli.tool", "run llama-bench and llama.cpp's other tools"),
    "shell": ("llmgen.cli.shell", "a shell where the programs are"),
    "keys": ("llmgen.cli.keys", "fill the gateways' keys into the private runtime folder"),
    "firewall": ("llmgen.cli.firewall", "the exact rules for what is exposed"),
    "host": ("llmgen.cli.host", "settings of the machine itself: kernel, devices, limits"),
    "schema": ("llmgen.cli.schema", "the JSON Schema of llm.toml"),
    "completion": ("llmgen.cli.completion", "shell completion for bash, zsh or fish"),
}

# How `llmgen --help` lists them: a title, an example, the commands.
GROUPS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    (
        "Describe the machine and its models",
        "llmgen init && llmgen models add unsloth/Qwen3-8B-GGUF:Q4_K_M",
        ("init", "import", "models", "sync", "lock", "pull", "schema"),
    ),
    (
        "See what fits",
        "llmgen show --what-if models.coder.ctx_size=128K",
        ("check", "show", "report", "inspect", "fit", "verify", "measure"),
    ),
    (
        "Write and install",
        "llmgen generate && llmgen install --dry-run",
        (
            "generate",
            "diff",
            "build",
            "install",
            "uninstall",
            "generations",
            "rollback",
            "keys",
            "firewall",
            "host",
        ),
    ),
    (
        "Run",
        "llmgen up --foreground",
        (
            *("up", "down", "restart", "enable", "disable", "load", "unload", "wake", "run"),
            *("tool", "shell"),
        ),
    ),
    (
        "Watch",
        "llmgen status && llmgen doctor",
        ("status", "top", "open", "logs", "guard", "doctor", "bench"),
    ),
    ("Shell", 'eval "$(llmgen completion bash)"', ("completion",)),
)
# What people type who know other programs, and the words that do it here.
KNOWN_AS: Final = {
    "apply": "install",
    "help": "--help",
    "list": "models list",
    "ls": "models list",
    "plan": "show",
    "ps": "status",
    "remove": "uninstall",
    "render": "generate",
    "serve": "up --foreground",
    "start": "up",
    "stop": "down",
    "validate": "check",
    "version": "--version",
}
