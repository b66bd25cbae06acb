"""Where clients are: reads geographic databases into a `GeoTable`, and builds databases from public
text files.
"""
