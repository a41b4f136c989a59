"""How a request shows who sends it."""

import json
from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr

from app.core.auth import Auth, Basic, Bearer, BodyTokens, HeaderKey
from app.domain.errors import VendorRejected
from tests.core.vendor import Clients, ScriptedVendor, answer


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


TOKENS = BodyTokens({"Token": SecretStr("abc"), "Key": SecretStr('d"e')})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, {}),
        (b"{}", {}),
        (b"{ }", {}),
        (b'{"Room": "1"}', {"Room": "1"}),
        (b' {"Rooms": [{"Id": "}"}]}\n', {"Rooms": [{"Id": "}"}]}),
    ],
)
def test_tokens_are_members_of_the_body_and_in_no_repr(content: bytes | None, told: dict[str, object]) -> None:
    assert json.loads(TOKENS.complete(content)) == {"Token": "abc", "Key": 'd"e', **told}
    assert "abc" not in repr(TOKENS)


@pytest.mark.parametrize("content", [b"[1]", b"room=1", b"{"])
def test_a_body_that_is_no_object_takes_no_tokens(content: bytes) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        TOKENS.complete(content)


async def test_tokens_of_the_body_reach_the_vendor_and_no_log(
    vendor: ScriptedVendor, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.will(answer(400, {"code": "no", "message": "no"}))
    client = replace(clients.make(), auth=TOKENS)
    with pytest.raises(VendorRejected) as refused:
        await client.ask("POST", "things", answer=dict[str, str], json={"room": 1})
    assert json.loads(vendor.seen[0].body) == {"Token": "abc", "Key": 'd"e', "room": 1}
    assert vendor.seen[0].headers["content-length"] == str(len(vendor.seen[0].body))
    for shown in (repr(client), str(refused.value), repr(refused.value), caplog.text):
        assert "abc" not in shown
