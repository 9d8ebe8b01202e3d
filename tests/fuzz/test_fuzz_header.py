import fuzz_header


def test_damaged_headers_are_refused_or_read_as_ggml_reads_them():
    outcomes, _ = fuzz_header.run(1500, seed=7, judge=fuzz_header.ggml())
    assert outcomes["read"] > 50
    assert len(outcomes) > 8
