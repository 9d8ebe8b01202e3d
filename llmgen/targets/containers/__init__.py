"""The stack's services as containers: what each one sees, may do and is given."""
