"""What other machines may reach, as rules of a firewall; applied only when asked."""
