"""Workers that share work, in this process or on Ray. It knows where work is done.

It does not know what the work is.
"""
