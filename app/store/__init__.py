"""Postgres and Redis: what the gateway remembers, encrypted, by hotel. A stranger to the adapters.

Queries live in repositories, one per aggregate; only `Database.unit_of_work` begins and commits. No use case
and no vendor's word may enter.
"""
