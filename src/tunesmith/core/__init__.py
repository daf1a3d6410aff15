"""The contracts every room keeps; imports nothing of ours."""
