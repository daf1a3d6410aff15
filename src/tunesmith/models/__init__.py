"""Everything that answers: local models, endpoints, arms, plain functions."""
