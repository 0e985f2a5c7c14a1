"""Errors that a person can act on."""


class HuiyangError(Exception):
    """What went wrong and what to do about it; printed without a traceback by the command line.

    Args:
        problem: one sentence, what is wrong.
        remedy: one sentence, what the reader does next.
        exit_code: the process's exit status when it reaches the command line.
    """

    def __init__(self, problem: str, remedy: str = "", *, exit_code: int = 1) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.exit_code = exit_code
