"""The admin port: health of this node, status and explanations over HTTP."""
