"""The sandbox as a product of its own: no platform, no PostgreSQL."""
