"""Trains document hypernetworks."""
