"""The signed model that browsers take from here: what the operator put into a folder, as it is.

Nothing is checked here but names and sizes: browsers trust the signature, not the server.
"""
