"""The tokens in memory: nobody is turned away with a valid token because the list is still being read."""

from http import HTTPStatus

import pytest

from shared.access import AccessTable, token_digest
from shared.clock import RealClock
from shared.events.catalogue import AccessV1
from shared.problems import ProblemError

ANNA = AccessV1(scopes=("unit:SKHDT",), subject="Anna")
DIGEST = token_digest("anna")


def a_table(*, read: bool = True) -> AccessTable:
    table = AccessTable(RealClock())
    table.put(DIGEST, ANNA)
    if read:
        table.complete()
    return table


def status_of(table: AccessTable, who: str = "anna") -> HTTPStatus:
    try:
        table.identify(f"Bearer {who}")
    except ProblemError as error:
        return error.status
    return HTTPStatus.OK


def test_before_all_tokens_are_read_nobody_is_called_a_stranger() -> None:
    with pytest.raises(ProblemError) as caught:
        a_table(read=False).identify("Bearer anna")
    assert caught.value.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert int(caught.value.headers["Retry-After"]) > 0
    body = caught.value.body()
    assert "mã truy cập" in body["detail"]
    assert "tokens" in body["detail_en"]


def test_a_token_that_is_not_in_the_whole_list_is_refused() -> None:
    assert status_of(a_table()) == HTTPStatus.OK
    assert status_of(a_table(), "somebody") == HTTPStatus.UNAUTHORIZED


def test_with_a_new_broker_that_was_given_no_tokens_yet_a_new_process_calls_nobody_a_stranger() -> None:
    table = AccessTable(RealClock())
    table.complete()
    assert status_of(table) == HTTPStatus.SERVICE_UNAVAILABLE
    table.put(DIGEST, ANNA)
    assert status_of(table) == HTTPStatus.OK


def test_while_the_list_is_read_again_the_last_one_stays_in_force() -> None:
    table = a_table()
    table.begin_again()
    assert status_of(table) == HTTPStatus.OK
    table.put(token_digest("binh"), AccessV1(scopes=(), subject="Bình"))
    assert status_of(table, "binh") == HTTPStatus.UNAUTHORIZED
    table.complete()
    assert status_of(table, "binh") == HTTPStatus.OK
    assert status_of(table) == HTTPStatus.UNAUTHORIZED, "revoked meanwhile"


def test_a_new_broker_that_was_given_no_tokens_yet_takes_none_away() -> None:
    table = a_table()
    table.begin_again()
    table.complete()
    assert status_of(table) == HTTPStatus.OK
    table.put(token_digest("binh"), AccessV1(scopes=(), subject="Bình"))
    assert status_of(table) == HTTPStatus.UNAUTHORIZED
    assert status_of(table, "binh") == HTTPStatus.OK


def test_a_token_is_revoked_at_once_even_the_last_one() -> None:
    table = a_table()
    table.put(DIGEST, None)
    assert status_of(table) == HTTPStatus.UNAUTHORIZED
    table = a_table()
    table.replace({})
    assert status_of(table) == HTTPStatus.UNAUTHORIZED
