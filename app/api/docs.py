"""The page on which people read the API and try it: ours alone, so that nobody else's script ever sees an API key.

It lists what `/openapi.json` holds, and works where no other host can be reached.
"""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def get_docs() -> HTMLResponse:
    """The page, under a policy that lets its own script and style in, named by their hashes, and nothing else."""
    page, policy = _page()
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


@cache
def _page() -> tuple[str, str]:
    page = files("app.api").joinpath("docs.html").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_hashes(_SCRIPT, page)}; style-src {_hashes(_STYLE, page)}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy


def _hashes(pattern: re.Pattern[str], page: str) -> str:
    digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in pattern.findall(page)]
    return " ".join(f"'sha256-{digest}'" for digest in digests)
