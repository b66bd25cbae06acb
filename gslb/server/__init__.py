"""The listeners of a name server, UDP and TCP: octets in, `engine` asked, octets out."""
