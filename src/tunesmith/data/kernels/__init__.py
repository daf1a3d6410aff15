"""Loops over the bytes of a batch, compiled by numba on first use and kept on disk."""
