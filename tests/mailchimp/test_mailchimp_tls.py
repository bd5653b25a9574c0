"""Calls over TLS: verified always, and ended by their deadline too."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.certificates import self_signed
from tests.mailchimp.far_side import ENOUGH, Behaviour, Serve, answer, client_of, drip, fails, hear, say
from worker.errors import Unavailable
from worker.mailchimp.transport import ssl_context


def test_one_context_serves_the_whole_process_and_verifies() -> None:
    assert ssl_context() is ssl_context()
    assert ssl_context().verify_mode is ssl.CERT_REQUIRED
    assert ssl_context().check_hostname


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


def _over_tls(certificate: Path, behaviour: Behaviour) -> Behaviour:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def wrapped(connection: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            behaviour(secured, over)

    return wrapped


def test_an_unknown_certificate_is_refused_and_said_so(serve: Serve, certificate: Path) -> None:
    where = serve(_over_tls(certificate, say(answer())))
    with client_of(f"https://{where}") as client:
        with pytest.raises(
            Unavailable, match=r"^The certificate at Mailchimp's address can't be verified"
        ) as caught:
            client.ping()
        assert not caught.value.may_be_open


def test_calls_over_tls_work_and_end_by_their_deadline_too(serve: Serve, certificate: Path) -> None:
    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        say(answer(), answer())(connection, over)
        drip(answer())(connection, over)

    context = ssl.create_default_context(cafile=str(certificate))
    with client_of(
        f"https://{serve(_over_tls(certificate, behaviour))}", deadline=ENOUGH, context=context
    ) as client:
        client.ping()
        client.ping()
        with fails(may_be_open=True):
            client.ping()


def test_a_large_body_goes_through_tls_whole(serve: Serve, certificate: Path) -> None:
    body = bytes(range(32, 127)) * 20_000
    heard = bytearray()

    def behaviour(connection: socket.socket, _over: threading.Event) -> None:
        heard.extend(hear(connection))
        while len(heard) < heard.index(b"\r\n\r\n") + 4 + len(body):
            heard.extend(connection.recv(65536))
        connection.sendall(answer(b'{"new_members":[],"updated_members":[],"errors":[]}'))

    context = ssl.create_default_context(cafile=str(certificate))
    where = serve(_over_tls(certificate, behaviour))
    with client_of(f"https://{where}", context=context) as client:
        client.upsert("a1b2c3d4e5", body)
    assert heard.endswith(b"\r\n\r\n" + body)
