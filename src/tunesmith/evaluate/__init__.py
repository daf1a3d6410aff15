"""Answers scored, compared and put before the gate."""
