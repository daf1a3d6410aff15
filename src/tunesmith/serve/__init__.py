"""Serving a model that passed its gate: an OpenAI-compatible server, and where its answers come from."""
