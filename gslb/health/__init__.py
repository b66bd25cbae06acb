"""Health: rise and fall as a fold, and the merge of many reports to the one snapshot that decisions
read.
"""
