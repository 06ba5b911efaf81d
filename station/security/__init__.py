"""Keys, certificates and trust: what a station proves itself with, and whom it believes."""
