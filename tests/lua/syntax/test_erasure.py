from hypothesis import HealthCheck, given, settings

from .programs import annotated, plain, run_programs
from .running import nameless, run, run_plain


@given(run_programs)
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_annotated_program_behaves_like_the_plain_one(program: str) -> None:
    """Output, errors and the lines in them: everything equal."""
    assert nameless(run(annotated(program)).text) == nameless(run_plain(plain(program)))
