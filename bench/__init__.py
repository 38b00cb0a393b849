"""Benchmarks of mlpfast beside its peers; see bench/README.md."""
