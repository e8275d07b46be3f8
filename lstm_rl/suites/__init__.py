"""Suites: the classical sequence tasks at their published sizes, published beside measured figures."""
