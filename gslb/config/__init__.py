"""The one reader of the operator's files: YAML with places, a schema, and all problems at once."""
