"""The core of serving: what a session has seen, a decision at each of its steps, and its budget.

It knows no HTTP. The clients in an agent's process and the gateway are built on it.
"""
