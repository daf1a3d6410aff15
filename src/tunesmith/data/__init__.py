"""From raw input to rows that are fit to train on."""
