"""What is wanted, written and running: looks at the machine, judgement, rows for people."""
