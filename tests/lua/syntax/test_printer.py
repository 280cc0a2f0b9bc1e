from hypothesis import HealthCheck, given, settings

from wippy.lua.syntax.parser import parse
from wippy.lua.syntax.printer import print_chunk

from .programs import programs
from .trees import difference


@given(programs)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_printed_program_parses_to_the_same_tree(program: str) -> None:
    source = program.encode("latin-1")
    tree = parse(source, "app:main")
    printed = print_chunk(tree)
    assert difference(tree, parse(printed, "app:main")) is None, printed.decode("latin-1")


def test_cast_before_less_than_stays_a_cast() -> None:
    tree = parse(b"local x = a as (number) < b", "app:main")
    assert difference(tree, parse(print_chunk(tree), "app:main")) is None


def test_chain_of_casts_is_not_printed_as_a_label() -> None:
    tree = parse(b"local x = a :: A\n:: B", "app:main")
    assert difference(tree, parse(print_chunk(tree), "app:main")) is None
