"""Arms to compare a candidate with; each file makes a Model."""
