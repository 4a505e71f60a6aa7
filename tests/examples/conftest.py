"""Examples are taken part in as by people: in a real browser, a real terminal, under Mono."""

from tests.e2e.conftest import browser, window

__all__ = ["browser", "window"]
