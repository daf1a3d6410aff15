"""The sections of the run report: one file for each, each a function from the report to a part of the page."""
