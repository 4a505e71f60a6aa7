"""Tokens that authenticate callers: participants' JSON Web Tokens and the admin token."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import jwt

from experiment_server.errors import TokenInvalid
from experiment_server.limits.network import TOKEN_MAX_LENGTH

_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class _Claims:
    """The participant that a token belongs to, and when it expires, in seconds since 1970."""

    participant_index: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes and verifies the tokens of one session.

    A participant's token is a JSON Web Token, signed with the session's key and valid until it
    expires. `admin` is the experimenters' token, or None if they need none.
    """

    key: str
    session: str
    admin: str | None = None

    def participant(self, participant_index: int, now: datetime, valid: timedelta) -> str:
        """Return a token that allows its holder to read and move one participant."""
        claims = {"sub": str(participant_index), "aud": self._audience, "exp": now + valid}
        return jwt.encode(claims, self.key, _ALGORITHM)

    def is_admin(self, token: str) -> bool:
        """Whether this is the admin token; the comparison takes constant time."""
        return self.admin is not None and hmac.compare_digest(
            token.encode("utf-8", "surrogatepass"), self.admin.encode("utf-8", "surrogatepass")
        )

    def participant_of(self, token: str) -> int:
        """The index of the token's participant; raises TokenInvalid, which omits the token."""
        return self._claims(token).participant_index

    def valid_until(self, token: str) -> float:
        """When a participant's token expires, in seconds since 1970; raises TokenInvalid."""
        return self._claims(token).expires_at

    def _claims(self, token: str) -> _Claims:
        try:
            if len(token) > TOKEN_MAX_LENGTH:
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token,
                self.key,
                [_ALGORITHM],
                audience=self._audience,
                options={"require": ["exp", "sub", "aud"]},
            )
            return _Claims(int(claims["sub"]), float(claims["exp"]))
        except jwt.ExpiredSignatureError:
            raise TokenInvalid(
                "this link or token has expired; ask the experimenter for a new one"
            ) from None
        except (jwt.InvalidTokenError, ValueError):
            raise TokenInvalid(
                "this token is not valid here: it is for another study or session, or was cut "
                "short; ask the experimenter for a new link"
            ) from None

    @property
    def _audience(self) -> str:
        return f"experiment-server session {self.session}"


def login_path(token: str) -> str:
    """The path of the login page that accepts a token."""
    return f"/login?token={quote(token)}"
