"""Our own errors: a code, what happened, what to do. They go to operators; providers' mistakes are verdicts, not errors."""


class ExchangeError(Exception):
    """What the exchange cannot do. str() is one line: code, what happened, what to do."""

    def __init__(self, code: str, what: str, advice: str) -> None:
        self.code, self.what, self.advice = code, what, advice
        super().__init__(f"{code}: {what} {advice}")
