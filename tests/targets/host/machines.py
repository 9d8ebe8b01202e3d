"""Plans of machines of the built-in profiles, and the files that they ask for."""

from targets import plans

from llmgen.render.environment import make_render
from llmgen.targets.host.files import files

MODEL = '[models.coder]\nmodel = "coder.gguf"\n'
SYSTEM = '[services]\nscope = "system"\n'
STRIX, SPARK, CARD = "strix-halo-128gb-gtt", "dgx-spark", "nvidia-24gb"


def head(profile, more=""):
    """The beginning of an llm.toml for a machine of that profile."""
    return f'edition = 2\n[hardware]\nprofile = "{profile}"\n{more}[paths]\nhome = "/home/llm"\n'


def texts(profile, text=MODEL, more=""):
    """Every file by the name of its kind."""
    plan = plans.plan(text, head=head(profile, more))
    return {item.kind.name: item.content.decode() for item in files(plan, make_render())}
