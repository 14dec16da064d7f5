"""Discord's limits on application commands and their options."""

import re

from sandbox.errors import Findings
from sandbox.state import Json

MOST = {1: 100, 2: 15, 3: 15}
"""How many commands of each type a scope takes (slash, user, message)."""

CHARACTERS = 8000
SLASH_NAME = re.compile(r"[-_'\w]{1,32}")
NESTED = (1, 2)


def check_commands(commands: list[Json]) -> None:
    """Refuse a set of commands that breaks a limit (50035)."""
    findings = Findings()
    for kind, most in MOST.items():
        if sum((c.get("type") or 1) == kind for c in commands) > most:
            findings.add("commands", "APPLICATION_COMMAND_TOO_MANY", f"At most {most} commands of type {kind}.")
    names = [(c.get("name"), c.get("type") or 1) for c in commands]
    if len(set(names)) < len(names):
        findings.add("commands", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
    for index, command in enumerate(commands):
        at = str(index)
        findings.require(f"{at}.name", command.get("name"))
        if (command.get("type") or 1) == 1:
            _check_name(findings, f"{at}.name", command.get("name") or "")
            findings.require(f"{at}.description", command.get("description"))
            findings.check_length(f"{at}.description", command.get("description"), 100)
            _check_options(findings, f"{at}.options", command.get("options") or [])
            if _count_characters(command) > CHARACTERS:
                findings.add(at, "APPLICATION_COMMAND_TOO_LARGE", f"Command exceeds maximum size ({CHARACTERS})")
        else:
            findings.check_length(f"{at}.name", command.get("name"), 32, 1)
    findings.refuse()


def _check_name(findings: Findings, at: str, name: str) -> None:
    if not SLASH_NAME.fullmatch(name) or name != name.lower():
        findings.add(at, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _check_options(findings: Findings, at: str, options: list[Json]) -> None:
    findings.check_count(at, options, 25)
    names = [option.get("name") for option in options]
    if len(set(names)) < len(names):
        findings.add(at, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Option names must be unique")
    optional_seen = False
    for index, option in enumerate(options):
        here = f"{at}.{index}"
        _check_name(findings, f"{here}.name", option.get("name") or "")
        findings.require(f"{here}.description", option.get("description"))
        findings.check_length(f"{here}.description", option.get("description"), 100)
        if option.get("type") in NESTED:
            _check_options(findings, f"{here}.options", option.get("options") or [])
            continue
        if option.get("required") and optional_seen:
            message = "Required options must be placed before non-required options"
            findings.add(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
        optional_seen = optional_seen or not option.get("required")
        _check_choices(findings, here, option)


def _check_choices(findings: Findings, at: str, option: Json) -> None:
    choices = option.get("choices") or []
    findings.check_count(f"{at}.choices", choices, 25)
    if choices and option.get("autocomplete"):
        findings.add(f"{at}.autocomplete", "APPLICATION_COMMAND_AUTOCOMPLETE_CHOICES", "Choices exclude autocomplete.")
    for number, choice in enumerate(choices):
        findings.check_length(f"{at}.choices.{number}.name", choice.get("name"), 100, 1)
        if isinstance(choice.get("value"), str):
            findings.check_length(f"{at}.choices.{number}.value", choice["value"], 100)


def _count_characters(command: Json) -> int:
    """Names, descriptions and values of a command and everything below it, as Discord's limit counts them."""
    own = len(command.get("name") or "") + len(command.get("description") or "")
    choices = sum(len(c["name"]) + len(str(c["value"])) for c in command.get("choices") or [])
    return own + choices + sum(_count_characters(option) for option in command.get("options") or [])
