import secrets

import pytest

from app.store.crypto import BlindIndex, DecryptionFailed, IdempotencyHasher, IndexKind, Keyring

OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)
PLACE = "guests|payload|prime|g1"


def test_a_value_opens_again_at_its_own_place() -> None:
    ring = Keyring({"k1": OLD})
    assert ring.decrypt(ring.encrypt(b"Anna", bound_to=PLACE), bound_to=PLACE) == b"Anna"


def test_the_same_value_is_never_written_twice_alike() -> None:
    ring = Keyring({"k1": OLD})
    assert ring.encrypt(b"Anna", bound_to=PLACE) != ring.encrypt(b"Anna", bound_to=PLACE)


def test_a_value_moved_to_another_row_is_refused() -> None:
    ring = Keyring({"k1": OLD})
    sealed = ring.encrypt(b"Anna", bound_to=PLACE)
    with pytest.raises(DecryptionFailed):
        ring.decrypt(sealed, bound_to="guests|payload|prime|g2")


@pytest.mark.parametrize("position", [0, 1, 2, 5, -1])
def test_a_value_with_one_changed_byte_is_refused(position: int) -> None:
    ring = Keyring({"k1": OLD})
    sealed = bytearray(ring.encrypt(b"Anna", bound_to=PLACE))
    sealed[position] ^= 1
    with pytest.raises(DecryptionFailed):
        ring.decrypt(bytes(sealed), bound_to=PLACE)


@pytest.mark.parametrize("length", [0, 1, 2, 4, 10, 20])
def test_a_value_cut_short_is_refused(length: int) -> None:
    ring = Keyring({"k1": OLD})
    with pytest.raises(DecryptionFailed):
        ring.decrypt(ring.encrypt(b"Anna", bound_to=PLACE)[:length], bound_to=PLACE)


def test_after_a_rotation_the_old_key_still_opens_and_the_new_one_writes() -> None:
    before, after, much_later = Keyring({"k1": OLD}), Keyring({"k2": NEW, "k1": OLD}), Keyring({"k2": NEW})
    old_value = before.encrypt(b"Anna", bound_to=PLACE)
    new_value = after.encrypt(b"Anna", bound_to=PLACE)
    assert after.decrypt(old_value, bound_to=PLACE) == b"Anna"
    assert much_later.decrypt(new_value, bound_to=PLACE) == b"Anna"
    with pytest.raises(DecryptionFailed):
        much_later.decrypt(old_value, bound_to=PLACE)


def test_an_index_differs_by_hotel_by_kind_and_by_value() -> None:
    index = BlindIndex({"i1": OLD})
    base = index.index(IndexKind.EMAIL, "a@b.test", hotel_id="prime")
    assert base == index.index(IndexKind.EMAIL, "a@b.test", hotel_id="prime")
    others = [
        index.index(IndexKind.EMAIL, "a@b.test", hotel_id="other"),
        index.index(IndexKind.LAST_NAME, "a@b.test", hotel_id="prime"),
        index.index(IndexKind.EMAIL, "c@b.test", hotel_id="prime"),
    ]
    assert base not in others


def test_after_a_rotation_lookups_try_every_live_index_key() -> None:
    old = BlindIndex({"i1": OLD}).index(IndexKind.EMAIL, "a@b.test", hotel_id="prime")
    rotated = BlindIndex({"i2": NEW, "i1": OLD})
    fresh = rotated.index(IndexKind.EMAIL, "a@b.test", hotel_id="prime")
    assert rotated.indexes(IndexKind.EMAIL, "a@b.test", hotel_id="prime") == [fresh, old]
    assert fresh != old


def test_a_fingerprint_sees_the_meaning_of_a_body_and_not_its_order() -> None:
    hasher = IdempotencyHasher(OLD)

    def of(path: str = "/v1/x", if_match: str | None = None, **body: object) -> bytes:
        return hasher.fingerprint(method="POST", path=path, if_match=if_match, body=body)

    assert of(a=1, b=[2]) == of(b=[2], a=1)
    different = {of(a=1), of(a=2), of(a=1, path="/v1/y"), of(a=1, if_match='"v1"')}
    assert len(different) == 4


def test_an_idempotency_key_belongs_to_its_client_and_hotel() -> None:
    hasher = IdempotencyHasher(OLD)
    hashes = {
        hasher.key_hash(client="ab", hotel_id="c", key="k"),
        hasher.key_hash(client="a", hotel_id="bc", key="k"),
        hasher.key_hash(client="ab", hotel_id="d", key="k"),
    }
    assert len(hashes) == 3
