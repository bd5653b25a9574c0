"""Which addresses a store may have, and what is said of the others."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import TellOperator
from worker.store.bucket import Bucket
from worker.store.objects import open_store

AZURE = {"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": "c2VjcmV0"}


@pytest.mark.parametrize("name", ["var", "with space", "50% #1?", "größe", "a+b"])
def test_a_file_address_names_a_folder_whatever_its_letters(tmp_path: Path, name: str) -> None:
    store = open_store((tmp_path / name).as_uri())
    store.put("a", b"x")

    assert (tmp_path / name / "a").read_bytes() == b"x"
    assert store.where == str(tmp_path / name)


def test_a_plain_path_after_file_is_understood_too(tmp_path: Path) -> None:
    open_store(f"file://{tmp_path}/a b/#1/../c").put("a", b"x")

    assert (tmp_path / "a b" / "c" / "a").read_bytes() == b"x"


@pytest.mark.parametrize("url", ["file://", "file://var", "file://./var", "file://host/var", "file:///a%00b"])
def test_a_folder_that_is_not_absolute_is_refused(url: str) -> None:
    with pytest.raises(TellOperator) as caught:
        open_store(url)

    assert str(caught.value) == (
        "SEGMENT_EXPORT_STORE_URL names no absolute folder: write file:/// followed by its full path."
    )


@pytest.mark.parametrize(
    "url",
    [
        *("", "var", "/var/store", "file:/var", "s3:bucket", "s3://", "s3:///x", "s3://[", "S4://x"),
        *("http://bucket/x", "https://bucket/x", "memory:///", "ftp://x/y", "hf://x"),
    ],
)
def test_an_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(TellOperator) as caught:
        open_store(url)

    assert str(caught.value) == (
        "SEGMENT_EXPORT_STORE_URL is not the address of a store: write file:///folder, s3://bucket/folder,"
        " gs://bucket/folder or az://container/folder."
    )


@pytest.mark.parametrize(
    "url", ["s3://KEYID:SECRET@bucket/x", "s3://SECRET@bucket", "gs://b/x?key=SECRET", "az://c/x#SECRET"]
)
def test_credentials_in_an_address_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(TellOperator) as caught:
        open_store(url)

    assert str(caught.value) == (
        "SEGMENT_EXPORT_STORE_URL holds more than a bucket and a folder: take credentials and options"
        " out of it, and set them in the environment (AWS_…, GOOGLE_… or AZURE_…)."
    )


@pytest.mark.parametrize("url", ["s3://bucket/folder", "gs://bucket", "az://container/folder"])
def test_the_three_clouds_open_without_a_call(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AZURE.items():
        monkeypatch.setenv(name, value)

    store = open_store(url)

    assert isinstance(store, Bucket)
    assert store.where == url


def test_a_cloud_that_is_not_set_up_completely_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in AZURE:
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(TellOperator) as caught:
        open_store("az://container/folder")

    assert str(caught.value) == (
        "The store at az://container/folder can't be used as it is set up: check SEGMENT_EXPORT_STORE_URL"
        " and the settings of its provider in the environment (region, endpoint, account)."
    )


@given(st.one_of(st.text(), st.text().map("s3://{}".format), st.text().map("gs://{}".format)))
def test_no_address_leads_to_anything_but_a_store_or_a_sentence(url: str) -> None:
    with suppress(TellOperator):
        assert isinstance(open_store(url), Bucket)
