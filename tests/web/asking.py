"""One request to a server of ours, as a browser sends it, whatever certificate the server has."""

import contextlib
import http.client
import ssl

TIMEOUT_S = 600


def ask(server, path, *, host=None, method="GET"):
    """(status, body, headers) of the answer; `host` stands in the request in the place of the address."""
    address, port = server.server_address
    if server.address.startswith("https:"):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address, port, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", f"{address}:{port}" if host is None else host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
