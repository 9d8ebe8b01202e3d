"""Install and uninstall: steps, files, checks of the machine, and the installed stack as it is."""
