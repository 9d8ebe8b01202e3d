"""What other machines may reach, as rules of nftables or ufw; applied only when asked."""
