"""The live page of a gateway: what passes through it, what that costs, and what it saves.

It knows figures and names, and neither texts of messages nor keys. It changes nothing.
"""
