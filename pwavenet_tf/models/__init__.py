"""The networks: teacher, student, phone classifier, and their layers."""
