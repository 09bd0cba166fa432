"""Keeps the data well: backups, restore, rotation, forgetting, and a doctor for all of it."""
