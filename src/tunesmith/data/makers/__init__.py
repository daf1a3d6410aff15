"""Records that make records."""
