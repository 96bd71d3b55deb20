"""Carrying out methods: the launcher, its workers and the processes that answer it."""
