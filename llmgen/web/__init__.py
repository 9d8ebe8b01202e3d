"""What other programs answer over HTTP: how much of it is read, how long, how deep it may nest."""
