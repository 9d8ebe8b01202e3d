"""What this machine is: memory, devices, installed servers, read without changing anything."""
