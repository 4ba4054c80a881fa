"""The commands of `cltab2systemd`, run in this process."""

import inspect

from click.testing import CliRunner, Result

from cltab2systemd.commands import main


def run(*arguments: object, standard_input: bytes = b"") -> Result:
    """`cltab2systemd` with these arguments."""
    # Before click 8.2, the standard error has to be asked for.
    apart = "mix_stderr" in inspect.signature(CliRunner).parameters
    runner = CliRunner(mix_stderr=False) if apart else CliRunner()
    return runner.invoke(main.group, [str(argument) for argument in arguments], input=standard_input)
