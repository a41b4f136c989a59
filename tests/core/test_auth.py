"""How a request shows who sends it."""

import httpx
import pytest
from pydantic import SecretStr

from app.core.auth import Auth, Basic, Bearer, HeaderKey


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (Bearer(SecretStr("abc")), "Authorization", "Bearer abc"),
        (Basic(SecretStr("Aladdin"), SecretStr("open sesame")), "Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (HeaderKey("X-Api-Key", SecretStr("abc")), "X-Api-Key", "abc"),
    ],
)
async def test_credentials_are_in_the_header_where_they_belong_and_in_no_repr(
    auth: Auth, header: str, value: str
) -> None:
    request = httpx.Request("GET", "http://pms.test/")
    await auth.sign(request)
    assert request.headers[header] == value
    assert "abc" not in repr(auth)
