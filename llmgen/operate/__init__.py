"""Operating the stack: install, service managers, status, the servers' own APIs."""
