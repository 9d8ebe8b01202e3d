"""How models are served: whose controller has their pods."""
