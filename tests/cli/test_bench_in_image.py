"""`llmgen bench` of a stack in containers measures with the image's own programs."""

import pytest
from targets import plans

from llmgen.cli.bench import _in_image
from llmgen.targets.services import demand


@pytest.mark.parametrize(("runtime", "program"), [("compose", "docker"), ("quadlet", "podman")])
def test_the_command_runs_in_the_image_on_the_models_within(runtime, program):
    text = plans.STACK.replace("[services]\n", f'[services]\nruntime = "{runtime}"\n')
    plan = plans.plan(text)
    path = str(demand(plan)[0].model.path)
    made = _in_image(plan, ("/usr/local/bin/llama-bench", "--model", path))
    assert made[:2] == (program, "run")
    at = made.index("--entrypoint")
    assert made[at + 1] == "/app/llama-bench"
    models = str(plan.library.layout.models)
    assert made[-1] == path.replace(models, "/models", 1)
    assert "--tty" not in made
