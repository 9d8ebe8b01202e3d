"""Lives of tensors: who takes whose place, and when a place is free."""

from llmgen.budget.graph.builder import Builder
from llmgen.budget.graph.tensor import OUTPUT, WEIGHT
from llmgen.budget.schedule.arena import Arena
from llmgen.budget.schedule.lives import Lives, alive_at_peaks
from llmgen.budget.schedule.tape import FULL, WINDOWED, sized

# A short input, and a wide row that its place is too small for: bytes as f32.
NARROW, WIDE = 64, 256
SHORT, ROW = 4 * NARROW, 4 * WIDE


def weight(b, *ne):
    return b.held("w", "f32", (*ne, 1, 1), home=0, flags=WEIGHT)


def lived(b, *results):
    for result in results:
        b.expand(result)
    for tensor in (*b.leafs, *b.nodes):
        tensor.backend = 0
    lives = Lives()
    lives.run(b.leafs, b.nodes)
    return lives


def peak(lives, cells=0, window_cells=0):
    arena = Arena()
    lives.tape.replay([arena], cells, window_cells)
    return arena.peak


def replayed(b, *results):
    return peak(lived(b, *results))


def test_a_function_of_each_element_takes_the_place_of_its_only_reader():
    b = Builder()
    product = b.mul_mat(weight(b, NARROW, WIDE), b.input("x", "f32", NARROW))
    assert replayed(b, b.unary(b.scale(product))) == SHORT + ROW


def test_what_is_read_twice_keeps_its_place():
    b = Builder()
    product = b.mul_mat(weight(b, NARROW, WIDE), b.input("x", "f32", NARROW))
    assert replayed(b, b.add(b.unary(product), product)) == SHORT + 2 * ROW


def test_a_view_keeps_what_it_is_of_and_is_no_place_to_take():
    b = Builder()
    product = b.mul_mat(weight(b, NARROW, WIDE), b.input("x", "f32", NARROW))
    assert replayed(b, b.unary(b.reshape(product, WIDE // 2, 2))) == SHORT + 2 * ROW


def test_an_output_is_never_overwritten():
    b = Builder()
    product = b.mul_mat(weight(b, NARROW, WIDE), b.input("x", "f32", NARROW))
    product.flags |= OUTPUT
    assert replayed(b, b.unary(product)) == SHORT + 2 * ROW


def test_weights_take_no_place():
    b = Builder()
    product = b.mul_mat(weight(b, NARROW, WIDE), b.input("x", "f32", NARROW))
    assert replayed(b, product) == SHORT + ROW


def test_a_cast_is_a_source_of_itself_and_free_behind_its_reader():
    b = Builder()
    cast = b.cast(b.input("x", "f32", NARROW), "f16")
    assert cast.sources[1] is cast
    wide = b.mul_mat(weight(b, NARROW, WIDE), cast)
    last = b.mul_mat(weight(b, WIDE, NARROW // 2), wide)
    assert replayed(b, last) == SHORT + SHORT // 2 + ROW


def test_what_is_alive_at_the_peak_adds_up_to_it():
    b = Builder()
    product = b.mul_mat(weight(b, NARROW, WIDE), b.input("x", "f32", NARROW))
    lives = lived(b, b.add(b.unary(product), product))
    sizes = [size.of(0, 0) for size in lives.tape.sizes]
    (alive,) = alive_at_peaks(lives, sizes, 1)
    assert sum(size for _, size in alive) <= peak(lives)
    assert product in [tensor for tensor, _ in alive]


def test_other_counts_of_cells_need_no_other_graph():
    def graph(cells):
        b = Builder()
        mask = b.input("mask", "f16", cells, NARROW)
        return lived(b, b.mul_mat(weight(b, NARROW, WIDE), b.unary(mask)))

    assert peak(graph(FULL), cells=4096) == peak(graph(4096))
    assert peak(graph(WINDOWED), window_cells=512) == peak(graph(512))


def test_sizes_are_read_back_with_their_signs():
    size = sized(7 * WINDOWED - 3 * FULL - 5)
    assert (size.constant, size.full, size.windowed) == (-5, -3, 7)
