"""Trains task hypernetworks."""
