"""The Discord side of Darkroom: accepts what members ask for, hands it to the workers, and keeps the books."""
