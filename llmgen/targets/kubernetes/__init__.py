"""The stack as objects of Kubernetes."""
