"""The regional tier's data plane: connections of clients and backends."""
