"""The commands, one feature a file: validate, call one service, answer."""
