"""What stands between clients and models: routes, keys, exposure; pure but for `fill`."""
