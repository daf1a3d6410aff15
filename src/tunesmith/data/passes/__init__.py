"""One whole-stream step a file."""
