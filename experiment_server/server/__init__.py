"""Transports: decode, call an operation, encode."""
