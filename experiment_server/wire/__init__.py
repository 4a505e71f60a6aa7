"""What crosses the network, as typed structs, each declared once.

JSON, MessagePack, JSON Schema, OpenAPI and the clients' TypeScript types are made from these.
"""
