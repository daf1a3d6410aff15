"""tunesmith: from raw text to a fine-tuned language model in production, or to a reasoned "don't fine-tune"."""

__version__ = "0.1.0"
