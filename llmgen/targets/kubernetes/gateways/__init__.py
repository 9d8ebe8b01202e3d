"""What leads into the cluster: a Gateway, and the routes of each kind of it."""
