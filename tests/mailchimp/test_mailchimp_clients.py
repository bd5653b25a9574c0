"""Each thread keeps a client of each connection it works for."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.mailchimp.far_side import Serve
from worker.errors import StopRun, TellOperator
from worker.mailchimp.clients import ClientPool


@pytest.fixture
def pool() -> Iterator[ClientPool]:
    pool = ClientPool(override="http://127.0.0.1:9")
    yield pool
    pool.close_all()


def test_a_thread_gets_the_same_client_again(pool: ClientPool) -> None:
    assert pool.get("newsletter", "key-us1") is pool.get("newsletter", "key-us1")


def test_connections_have_clients_of_their_own(pool: ClientPool) -> None:
    assert pool.get("newsletter", "key-us1") is not pool.get("shop", "key-us1")


def test_threads_have_clients_of_their_own(pool: ClientPool) -> None:
    here = pool.get("newsletter", "key-us1")
    with ThreadPoolExecutor(1) as thread:
        there = thread.submit(pool.get, "newsletter", "key-us1").result()
        assert there is not here
        thread.submit(pool.close_all).result()
    assert pool.get("newsletter", "key-us1") is here


def test_the_clients_longest_unused_are_let_go(pool: ClientPool) -> None:
    first, second = pool.get("c0", "key-us1"), pool.get("c1", "key-us1")
    for n in range(2, 17):
        pool.get("c0", "key-us1")
        pool.get(f"c{n}", "key-us1")
    assert pool.get("c0", "key-us1") is first
    assert pool.get("c1", "key-us1") is not second


def test_a_changed_key_makes_a_new_client_and_closes_the_old_connection(serve: Serve) -> None:
    closed = threading.Semaphore(0)

    def behaviour(connection: socket.socket, _over: threading.Event) -> None:
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        closed.release()

    pool = ClientPool(override=f"http://{serve(behaviour)}", deadline=timedelta(seconds=5))
    old = pool.get("newsletter", "old-us1")
    old.ping()
    new = pool.get("newsletter", "new-us1")
    assert new is not old
    assert closed.acquire(timeout=5)
    new.ping()
    pool.close_all()
    assert closed.acquire(timeout=5)
    assert pool.get("newsletter", "new-us1") is not new


def test_a_key_without_a_data_centre_is_refused_before_any_connection() -> None:
    with pytest.raises(StopRun, match="does not end in a Mailchimp data centre"):
        ClientPool().get("newsletter", "x-us1@evil")


def test_a_bad_base_is_told_to_the_operator() -> None:
    with pytest.raises(TellOperator):
        ClientPool(override="nonsense").get("newsletter", "key-us1")


def test_a_key_that_turns_bad_leaves_no_client_behind(pool: ClientPool) -> None:
    strict = ClientPool()
    strict.get("newsletter", "key-us1")
    with pytest.raises(StopRun):
        strict.get("newsletter", "bad")
    strict.close_all()
    assert pool.get("newsletter", "any") is pool.get("newsletter", "any")
