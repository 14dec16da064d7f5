"""What people see: cards, buttons and forms. Records in, Discord's components out."""
