"""click in two languages: headings, the help option, and what is wrong with a command line."""

import difflib
import sys
from pathlib import Path
from typing import Any, Final

import click
from click.exceptions import NoSuchOption

from aiges.authoring.texts import say

HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}


def program() -> str:
    """Return how the user called us."""
    path = Path(sys.argv[0])
    return "python -m aiges" if path.name == "__main__.py" else path.name


class _Formatter(click.HelpFormatter):
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, say("help.usage") if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        known = {"Options": "help.options", "Commands": "help.commands"}
        super().write_heading(say(known[heading]) if heading in known else heading)


class _Context(click.Context):
    formatter_class = _Formatter


class Command(click.Command):
    """A command whose help is in the user's language."""

    context_class = _Context

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return what follows the command in its usage."""
        return [say("help.any_options"), *super().collect_usage_pieces(ctx)[1:]]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return click's own option with our words."""
        return _with_our_words(super().get_help_option(ctx))


class Option(click.Option):
    """An option whose help is in the user's language, what click adds to it included."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option and its help."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        return record[0], record[1].replace("[required]", say("help.required"))


class Group(click.Group):
    """A group whose help is in the user's language, and that knows what was probably meant."""

    context_class = _Context
    command_class = Command

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return what follows the program in its usage."""
        return [say("help.any_command")]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return click's own option with our words."""
        return _with_our_words(super().get_help_option(ctx))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begin with; an unknown one fails with the nearest name."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            text = say("usage.no_command", name=name)
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            if near:
                text += say("usage.did_you_mean", name=near[0])
            raise click.UsageError(text, ctx)
        return super().resolve_command(ctx, args)


def _with_our_words(option: click.Option | None) -> click.Option | None:
    if option is not None:
        option.help = say("help.help")
    return option


def wrong_usage(error: click.UsageError) -> str:
    """Say what is wrong with a command line, and where to read on."""
    lines = [say("error", text=_what_is_wrong(error))]
    if error.ctx is not None:
        usage = error.ctx.get_usage()
        lines = [usage, say("usage.try_help", command=error.ctx.command_path), "", *lines]
    return "\n".join(lines)


def _what_is_wrong(error: click.UsageError) -> str:
    match error:
        case NoSuchOption(option_name=name, possibilities=near):
            text = say("usage.no_option", name=name)
            return text + (say("usage.did_you_mean", name=near[0]) if near else "")
        case click.MissingParameter(param=click.Parameter() as parameter):
            return say("usage.missing", name=_name_of(parameter))
        case click.BadParameter(param=click.Parameter() as parameter):
            return say("usage.bad_value", name=_name_of(parameter), text=error.message)
        case _:
            return error.format_message()


def _name_of(parameter: click.Parameter) -> str:
    names: Any = (
        parameter.opts if isinstance(parameter, click.Option) else [parameter.human_readable_name]
    )
    return "/".join(names)
