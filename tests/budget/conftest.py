"""The rooms import what lies here."""
