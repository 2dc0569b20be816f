"""The supervisor: config, worker pool, front ends."""
