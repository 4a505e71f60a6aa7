"""The types of everything that crosses the network, each declared once as a struct.

JSON, MessagePack, JSON Schema, OpenAPI and the clients' TypeScript types are made from them.
"""
