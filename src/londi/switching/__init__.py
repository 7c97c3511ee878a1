"""The decision: observe a state, choose QUICK or DEEPTHINK, act, record the transition.

This package knows costs, budgets and who acts. It does not know how a Switcher is learned.
"""
