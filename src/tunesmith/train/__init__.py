"""One trainer a file, and the loop they share."""
