"""The pages that a person sees while connecting an account: plain HTML that loads nothing."""

from html import escape
from urllib.parse import urlsplit

from fastapi.responses import HTMLResponse

from actions import Connection, SignIn
from core.errors import RepertoryError
from server.observe.request import note_error
from server.wire import STATUS

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto }}</style>
<h1>{title}</h1>
{body}
</html>
"""


def start_page(sign_in: SignIn) -> HTMLResponse:
    """Return the page that leads to the service.

    It names the holder of the key: whoever was sent somebody else's link learns who would act with the account.
    """
    connect = sign_in.connect
    scopes = f" ({escape(', '.join(sign_in.scopes))})" if sign_in.scopes else ""
    where = escape(urlsplit(sign_in.address).hostname or "")
    return _page(
        f"Connect your account at {sign_in.host}",
        f"<p>The assistant <b>{escape(connect.persona)}</b> of this server asks to use your account at "
        f"<b>{escape(sign_in.host)}</b>{scopes}.</p>"
        f"<p>From then on whoever holds the key <b>{escape(connect.principal.removeprefix('key:'))}</b> acts "
        "there with your account. Go on only if that is you, and if you have just asked for this.</p>"
        f'<p><a rel="noreferrer" href="{escape(sign_in.address)}">Sign in at {where}</a></p>',
    )


def connected_page(connection: Connection, host: str) -> HTMLResponse:
    """Return the page at the end."""
    scopes = f" It may: {escape(', '.join(connection.scopes))}." if connection.scopes else ""
    return _page(
        f"Your account at {host} is connected",
        f"<p>You can close this page, and send the conversation again.{scopes}</p>",
    )


def failed_page(error: RepertoryError) -> HTMLResponse:
    """Return the page that says what went wrong."""
    note_error(error.code)
    page = _page("Nothing was connected", f"<p>{escape(error.message)}</p>")
    page.status_code = STATUS[error.kind]
    return page


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), headers=_HEADERS)
