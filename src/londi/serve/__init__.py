"""A Switcher in front of real traffic: sessions of an agent, decisions, and their accounts.

It knows conversations, prices and exported Switchers. It knows no environment and no training, and
imports no torch.
"""
