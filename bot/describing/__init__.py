"""Settings out of any picture: its text fields, what each program writes there, and A1111's names for all of it."""
