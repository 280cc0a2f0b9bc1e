"""`wippy completion`: the script that makes a shell complete `wippy`, and what answers the shell.

The mechanism is click's: the script runs `wippy` with `_WIPPY_COMPLETE` in the environment. In bash a colon ends a
word, and ids have colons, so its script hands over the line as it was typed and takes off what the shell has already.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click
from click.shell_completion import BashComplete, add_completion_class, get_completion_class, split_arg_string

from wippy.cli.main import COMPLETING, wippy
from wippy.cli.options import Globals, Verb

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line current prefix="" response completion type value
    COMPREPLY=()
    line="${COMP_LINE:0:COMP_POINT}"
    current="${line##*[[:space:]]}"
    current="${current##*=}"
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        prefix="${current%%:*}:"
    fi
    response=$(env COMP_LINE="$line" %(complete_var)s=bash_complete "$1" 2>/dev/null)
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == 'dir' ]]; then
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("${value#"$prefix"}")
        fi
    done
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """The script is made for whoever will read it, which need not be a bash of this machine."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE")
        if line is None:
            return super().get_completion_args()
        words = split_arg_string(line)[1:]
        if not words or line[-1:].isspace():
            return words, ""
        return words[:-1], words[-1]


add_completion_class(_Bash)


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the script that makes a shell complete commands, flags, commands of the project and ids of entries.

    \b
    Examples:
      source <(wippy completion bash)                                 # in ~/.bashrc
      source <(wippy completion zsh)                                  # in ~/.zshrc
      wippy completion fish > ~/.config/fish/completions/wippy.fish
    """
    maker: Any = get_completion_class(shell)
    click.echo(maker(wippy, {}, "wippy", COMPLETING).source())
    return 0


def answer(flags: Globals) -> None:
    """Answers a shell, and exits: with nothing and code 1 when that fails, because whoever types sees all output."""
    try:
        wippy.main(args=[], prog_name="wippy", complete_var=COMPLETING, obj=flags)
    except Exception:
        sys.exit(1)
