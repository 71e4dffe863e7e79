"""Packs for the AI Benchmark app, and what comes back."""
