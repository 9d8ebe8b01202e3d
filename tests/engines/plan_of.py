"""Plans of llm.toml texts whose GGUF files all have the same small shape."""

from making import facts

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.plan.place import place
from llmgen.render.environment import make_render
from llmgen.resolve import references, resolve
from llmgen.targets import TARGETS


def planned(text):
    """The plan of a whole llm.toml."""
    config = load([parse("llm.toml", text)])
    return place(resolve(config, {ref: facts(ref.partition(":")[2]) for ref in references(config)}))


def rendered(plan, *targets):
    """Path to text of what these targets make of a plan."""
    render = make_render([])
    found = (item for name in targets for item in TARGETS[name].artifacts(plan, render))
    return {str(item.path): item.content.decode() for item in found}
