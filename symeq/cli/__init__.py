"""The command line: one module for each group of commands, one command for each function of the API.

Exit code 0 when it holds, 1 when it does not, 2 for a wrong call or bad input, which is said on stderr
without a traceback. Results go to stdout; with ``--json`` they are one document. What a command needs is
imported when it runs, so that ``--help`` answers at once and ``generate`` loads neither torch nor SymPy.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Annotated

import typer

from symeq import __version__
from symeq.cli.arguments import WITH_SPEC
from symeq.cli.auditing import audit
from symeq.cli.benchmarking import bench
from symeq.cli.console import CallError, complain, output, write
from symeq.cli.generating import generate
from symeq.cli.proving import ProveCommand, check, prove
from symeq.cli.showing import count, show
from symeq.cli.verifying import verify
from symeq.errors import SymeqError

INTERRUPTED = 130  # 128 + SIGINT, as a shell would report it

# typer has no name of its own for the base of its usage errors.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, ``sys.argv[1:]`` by default, and returns its exit code."""
    try:
        code = app(args=arguments, prog_name="symeq", standalone_mode=False)
        with output():
            print(end="", flush=True)
    except SymeqError as error:
        return complain(str(error))
    except _USAGE_ERROR as error:
        return complain(_usage(error))
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except typer.Exit as error:
        return error.exit_code
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        return complain(f"the output cannot be written ({error.strerror}).")  # of --help, by typer
    return code if isinstance(code, int) else 0


def _usage(error: Exception) -> str:
    """What typer says of a wrong call, with the command that explains the right one."""
    message = str(getattr(error, "format_message", error.__str__)())
    context = getattr(error, "ctx", None)
    path = "symeq" if context is None else context.command_path
    return f"{message}{'' if message[-1:] in ('.', '?') else '.'} `{path} --help` explains the call."


def _show_version(wanted: bool) -> None:
    if wanted:
        write(f"symeq {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def symeq(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Every permutation-equivariant linear layer, as a standalone PyTorch module.

    SPEC is a signature in quotes, such as "n n -> n n", "n n -> " or "u i -> u",
    or two orders, such as 2 2.
    """
    if context.invoked_subcommand is None:
        *names, last = (info.callback.__name__ for info in app.registered_commands if info.callback)
        raise CallError(f"no command: expected {', '.join(names)} or {last}. See `symeq --help`.")


# In the order of `symeq --help`.
app.command(context_settings=WITH_SPEC)(count)
app.command(context_settings=WITH_SPEC)(show)
app.command(context_settings=WITH_SPEC, cls=ProveCommand)(prove)
app.command()(check)
app.command(context_settings=WITH_SPEC)(generate)
app.command(context_settings=WITH_SPEC)(verify)
app.command()(audit)
app.command()(bench)
