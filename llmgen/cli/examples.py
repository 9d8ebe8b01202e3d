"""One example for each command's ``--help``; a test parses every one."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final = {
    "init": "llmgen init --profile nvidia-2x24gb",
    "check": "llmgen -c llm.toml -c this-machine.toml check",
    "lock": "llmgen lock coder --update",
    "pull": "llmgen pull coder",
    "show": "llmgen show --what-if models.coder.ctx_size=128K",
    "report": "llmgen report -o report.html",
    "generate": "llmgen generate --check",
    "diff": "llmgen diff --target envoy",
    "inspect": "llmgen inspect unsloth/Qwen3-8B-GGUF:Q4_K_M --ctx-size 32K --explain",
    "fit": "llmgen fit unsloth/Qwen3-8B-GGUF --profile nvidia-24gb",
    "verify": "llmgen verify coder",
    "measure": "llmgen measure coder",
    "install": "llmgen install --dry-run",
    "uninstall": "llmgen uninstall --dry-run",
    "generations": "llmgen generations --prune 10",
    "rollback": "llmgen rollback 3 --dry-run",
    "up": "llmgen up --foreground",
    "down": "llmgen down",
    "restart": "llmgen restart swap",
    "enable": "llmgen enable",
    "disable": "llmgen disable swap",
    "status": "llmgen status --json",
    "logs": "llmgen logs swap --since today",
    "load": "llmgen load coder",
    "unload": "llmgen unload --all",
    "run": 'llmgen run coder "Write a haiku about memory"',
    "guard": "llmgen guard --dry-run",
    "doctor": "llmgen doctor --all",
    "models": "llmgen models add unsloth/Qwen3-8B-GGUF:Q4_K_M --ctx-size max",
    "import": "llmgen import config.yaml -o llm.toml",
    "bench": "llmgen bench coder --dry-run",
    "keys": "llmgen keys",
    "firewall": "llmgen firewall --tool nft",
    "schema": "llmgen schema models.coder.ctx_size",
    "completion": "llmgen completion bash",
}
