"""Compare a machine with the plan: probes look, rules judge, nothing is changed."""
