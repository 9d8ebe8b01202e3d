"""Host memory of machines that lend devices, and of those that send weights there."""

import pytest
from making_facts import facts, group, llama

from llmgen.budget.beside.lending import OWN_BYTES, lender_host_bytes, sent_bytes, with_sending
from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings

# Larger than everything else that such a server holds.
WIDE = facts("llama", dict(llama().hyperparameters), 500, (group("output.weight", 2**34),))


def test_a_lender_holds_the_largest_tensor_while_it_comes():
    assert lender_host_bytes([llama()]) == OWN_BYTES + 640_000
    assert lender_host_bytes([llama(), WIDE]) == OWN_BYTES + 2**34
    assert lender_host_bytes([]) == OWN_BYTES


@pytest.mark.parametrize(("mode", "times"), [("auto", 1), ("mmap", 1), ("none", 2), ("dio", 2)])
def test_a_sender_copies_what_is_mapped_and_reads_what_is_not(mode, times):
    assert sent_bytes([llama()], ServerSettings(load_mode=mode)) == times * 640_000


def test_what_is_sent_before_the_caches_are_made_counts_only_beyond_them():
    settings = ServerSettings(ctx_size=4096, parallel=1, cache_ram_bytes=0)
    made = estimate(llama(), settings)
    assert with_sending(made, [llama()], settings).host.sending == 0
    later = made.on("host") - made.memory[0].model
    assert with_sending(made, [WIDE], settings).host.sending == 2**34 - later
