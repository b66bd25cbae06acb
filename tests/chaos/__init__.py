"""What the regional tier does while everything around it, and it itself, is killed, hung, slowed,
drained, reloaded and replaced.
"""
