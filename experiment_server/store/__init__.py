"""Durable state. Every access to the database goes through one writer thread."""
