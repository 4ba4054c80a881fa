"""Storable: what perl freezes is thawed, what is frozen here perl thaws, and nothing else gets in or blows up."""

import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest
from ancestorclient import need_perl
from hypothesis import given, settings
from hypothesis import strategies as st

from cltab2systemd.ancestor.storable import MOST_REFERENCES, StorableError, freeze, thaw
from cltab2systemd.text import decoded, encoded

Hashes = list[dict[str, str | None]]

ARRAY_OF_ONE = b"\x05\x0b\x02\0\0\0\x01"
REF = b"\x04"
UNDEF = b"\x05"


def number(value: int) -> bytes:
    return struct.pack(">I", value)


def one_hash(value: bytes, key: bytes = b"k") -> bytes:
    """A frozen array of a hash of one pair, the value with its type."""
    return ARRAY_OF_ONE + REF + b"\x03" + number(1) + value + number(len(key)) + key


def flag_hash(value: bytes, flags: int, key: bytes, *, hash_flags: int = 0) -> bytes:
    pair = value + bytes([flags]) + number(len(key)) + key
    return ARRAY_OF_ONE + REF + b"\x19" + bytes([hash_flags]) + number(1) + pair


def perl(code: str, given_bytes: bytes = b"") -> bytes:
    """What perl writes; the code has nfreeze and thaw."""
    need_perl()
    command = ["perl", "-MStorable=nfreeze,freeze,thaw", "-e", f"binmode STDIN; binmode STDOUT; {code}"]
    return subprocess.run(command, input=given_bytes, capture_output=True, check=True).stdout


# --- by hand: what is accepted ----------------------------------------------------------------------------------------

VALUES: dict[str, tuple[bytes, str | None]] = {
    "SX_SCALAR": (b"\x0a\x03foo", "foo"),
    "SX_SCALAR, empty": (b"\x0a\0", ""),
    "SX_SCALAR, longest": (b"\x0a\xff" + b"x" * 255, "x" * 255),
    "SX_SCALAR, UTF-8 in bytes": (b"\x0a\x02\xc3\xa9", "é"),
    "SX_SCALAR, no UTF-8": (b"\x0a\x02a\xe9", "a\udce9"),
    "SX_SCALAR, with a NUL": (b"\x0a\x03a\0b", "a\0b"),
    "SX_LSCALAR": (b"\x01" + number(300) + b"y" * 300, "y" * 300),
    "SX_LSCALAR, empty": (b"\x01" + number(0), ""),
    "SX_UTF8STR": (b"\x17\x03\xe2\x82\xac", "€"),
    "SX_LUTF8STR": (b"\x18" + number(300) + "é".encode() * 150, "é" * 150),
    "SX_UNDEF": (UNDEF, None),
    "SX_SV_UNDEF": (b"\x0e", None),
    "SX_SV_YES": (b"\x0f", "1"),
    "SX_SV_NO": (b"\x10", ""),
    "SX_BOOLEAN_TRUE": (b"\x22", "1"),
    "SX_BOOLEAN_FALSE": (b"\x23", ""),
    "SX_BYTE": (b"\x08\x81", "1"),
    "SX_BYTE, smallest": (b"\x08\0", "-128"),
    "SX_BYTE, largest": (b"\x08\xff", "127"),
    "SX_NETINT": (b"\x09\0\0\x01\0", "256"),
    "SX_NETINT, smallest": (b"\x09\x80\0\0\0", "-2147483648"),
    "SX_NETINT, largest": (b"\x09\x7f\xff\xff\xff", "2147483647"),
}


@pytest.mark.parametrize("name", VALUES)
def test_every_accepted_value(name: str) -> None:
    """A value of each type that is accepted is its text, or None."""
    frozen, text = VALUES[name]

    assert thaw(one_hash(frozen)) == [{"k": text}]
    assert thaw(flag_hash(frozen, 0, b"k")) == [{"k": text}]


KEYS: dict[str, tuple[int, bytes, dict[str, str | None]]] = {
    "plain": (0, b"k", {"k": None}),
    "empty": (0, b"", {"": None}),
    "UTF-8 in bytes": (0, b"\xc3\xa9", {"é": None}),
    "no UTF-8": (0, b"\xe9", {"\udce9": None}),
    "UTF8": (1, b"\xc3\xa9", {"é": None}),
    "WASUTF8": (2, b"\xe9", {"é": None}),
    "LOCKED": (4, b"k", {"k": None}),
    "UTF8 and LOCKED": (5, b"\xc3\xa9", {"é": None}),
    "PLACEHOLDER": (0x10, b"k", {}),
    "PLACEHOLDER and LOCKED": (0x14, b"k", {}),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("hash_flags", [0, 1], ids=["", "restricted"])
def test_every_accepted_key(name: str, hash_flags: int) -> None:
    """A key is text by its flags; one that a restricted hash only may have is not there."""
    flags, key, expected = KEYS[name]

    assert thaw(flag_hash(b"\x0e", flags, key, hash_flags=hash_flags)) == [expected]


@pytest.mark.parametrize("minor", [*range(12), 12, 99, 255])
def test_every_minor(minor: int) -> None:
    """Any minor version is read; the types decide."""
    assert thaw(bytes((5, minor)) + one_hash(UNDEF)[2:]) == [{"k": None}]


@pytest.mark.parametrize("references", range(MOST_REFERENCES + 1))
def test_references(references: int) -> None:
    """The array, and a hash in it, may stand behind a few references."""
    hashes = b"\x03" + number(0) + REF * references + b"\x19\0" + number(0)

    assert thaw(b"\x05\x05" + REF * references + b"\x02" + number(2) + hashes) == [{}, {}]


def test_an_empty_array() -> None:
    """No hash is a list of none."""
    assert thaw(b"\x05\x05\x02" + number(0)) == []


# --- by hand: what is refused -----------------------------------------------------------------------------------------

_NO_VALUES = {
    0: "SX_OBJECT",
    2: "SX_ARRAY",
    3: "SX_HASH",
    4: "SX_REF",
    6: "SX_INTEGER",
    7: "SX_DOUBLE",
    11: "SX_TIED_ARRAY",
    12: "SX_TIED_HASH",
    13: "SX_TIED_SCALAR",
    17: "SX_BLESS",
    18: "SX_IX_BLESS",
    19: "SX_HOOK",
    20: "SX_OVERLOAD",
    21: "SX_TIED_KEY",
    22: "SX_TIED_IDX",
    25: "SX_FLAG_HASH",
    26: "SX_CODE",
    27: "SX_WEAKREF",
    28: "SX_WEAKOVERLOAD",
    29: "SX_VSTRING",
    30: "SX_LVSTRING",
    31: "SX_SVUNDEF_ELEM",
    32: "SX_REGEXP",
    33: "SX_LOBJECT",
    **{number: f"unknown type {number}" for number in range(36, 256)},
}


def test_every_type_is_accepted_or_refused() -> None:
    """Together, the cases here are all types there can be."""
    assert sorted(_NO_VALUES | {frozen[0]: "" for frozen, _ in VALUES.values()}) == list(range(256))


@pytest.mark.parametrize("kind", _NO_VALUES, ids=lambda kind: _NO_VALUES[kind])
def test_every_refused_value(kind: int) -> None:
    """Any other type is refused by its name, at its place, whatever follows it."""
    with pytest.raises(StorableError, match=rf"^at byte 13: {_NO_VALUES[kind]}\b"):
        thaw(one_hash(bytes([kind]) + b"\0" * 16))


@pytest.mark.parametrize("kind", sorted(set(range(256)) - {2, 4}))
def test_the_first_is_an_array(kind: int) -> None:
    """What is frozen is an array, and no other type."""
    with pytest.raises(StorableError, match=r"^at byte 2: "):
        thaw(b"\x05\x0b" + bytes([kind]) + b"\0" * 16)


@pytest.mark.parametrize("kind", sorted(set(range(256)) - {3, 4, 25}))
def test_elements_are_hashes(kind: int) -> None:
    """What is in the array is a hash, and no other type."""
    with pytest.raises(StorableError, match=r"^at byte 7: "):
        thaw(ARRAY_OF_ONE + bytes([kind]) + b"\0" * 16)


MANY = b"\xff\xff\xff\xff"
REFUSED = {
    "nothing": (b"", "at byte 0: 1 bytes are needed, 0 are left"),
    "no minor": (b"\x05", "at byte 1: 1 bytes are needed"),
    "native order": (b"\x04\x0b\x0812345678", "at byte 0: 0x04, where 0x05"),
    "major 1": (b"\x03\0", "at byte 0: 0x03"),
    "major 3": (b"\x07\0", "at byte 0: 0x07"),
    "a file": (b"pst0" + one_hash(UNDEF), "at byte 0: 0x70"),
    "no array": (b"\x05\x0b", "at byte 2: 1 bytes"),
    "an array without count": (b"\x05\x0b\x02\0\0", "at byte 3: 4 bytes are needed, 2 are left"),
    "an array of more than there is": (ARRAY_OF_ONE + b"\x03\0\0\0", "at byte 3: 1 elements, where 4 bytes are left"),
    "an array of 2**32": (b"\x05\x0b\x02" + MANY + b"\0" * 40, "at byte 3: 4294967295 elements, where 40 bytes"),
    "a hash of 2**32": (ARRAY_OF_ONE + b"\x03" + MANY + b"\0" * 40, "at byte 8: 4294967295 elements"),
    "a flagged hash of 2**32": (ARRAY_OF_ONE + b"\x19\0" + MANY + b"\0" * 40, "at byte 9: 4294967295 elements"),
    "a string of 2**32": (one_hash(b"\x01" + MANY), "at byte 18: 4294967295 bytes are needed"),
    "a string beyond the end": (one_hash(b"\x0a\x20abc"), "at byte 15: 32 bytes are needed, 8 are left"),
    "a key of 2**32": (one_hash(UNDEF)[:-5] + MANY + b"k", "at byte 18: 4294967295 bytes are needed, 1 are left"),
    "more than the array": (one_hash(UNDEF) + b"\0", "at byte 19: 1 bytes after the end"),
    "a key twice": (
        ARRAY_OF_ONE + b"\x03" + number(2) + (UNDEF + number(1) + b"k") * 2,
        "at byte 19: a key for the second time",
    ),
    "no UTF-8 in characters": (one_hash(b"\x17\x03a\xe9b"), "at byte 16: not UTF-8: invalid continuation byte"),
    "a surrogate in characters": (one_hash(b"\x17\x03\xed\xa0\x80"), "at byte 15: not UTF-8"),
    "no UTF-8 in a key of characters": (flag_hash(UNDEF, 1, b"\xe9"), "at byte 20: not UTF-8: unexpected end"),
    "a key that is a value": (flag_hash(UNDEF, 8, b"k"), "at byte 15: flags of a key that are not accepted, 0x08"),
    "an unknown flag of a key": (flag_hash(UNDEF, 0x20, b"k"), "at byte 15: flags of a key"),
    "an unknown flag of a hash": (flag_hash(UNDEF, 0, b"k", hash_flags=3), "at byte 9: unknown flags of a hash, 0x03"),
    "references around the array": (b"\x05\x0b" + REF * 5, "more than 4 references in a row"),
    "references around a hash": (ARRAY_OF_ONE + REF * 5 + b"\x03" + number(0), "more than 4 references in a row"),
    "references without end": (b"\x05\x0b" + REF * 1_000_000, "more than 4 references in a row"),
    "arrays without end": (b"\x05\x0b" + b"\x02\0\0\0\x01" * 100_000, "at byte 7: SX_ARRAY, where SX_HASH"),
    "hashes without end": (ARRAY_OF_ONE + b"\x03\0\0\0\x01" * 100_000, "at byte 12: SX_HASH, where a string"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """What is broken, too large or too deep is refused; the text says where."""
    frozen, expected = REFUSED[name]

    with pytest.raises(StorableError) as caught:
        thaw(frozen)
    assert expected in str(caught.value)


@pytest.mark.parametrize("end", range(len(one_hash(b"\x0a\x03foo"))))
def test_every_beginning_is_refused(end: int) -> None:
    """A message that was cut is no message."""
    with pytest.raises(StorableError):
        thaw(one_hash(b"\x0a\x03foo")[:end])


# --- freezing ---------------------------------------------------------------------------------------------------------


def test_freeze_by_hand() -> None:
    """The bytes are those that perl 5.8 would write, in the order of the mapping."""
    request = b"\x05\x05\x02\0\0\0\x01\x04\x03\0\0\0\x02\x0a\x03foo\0\0\0\x05group\x0a\x011\0\0\0\x05level"

    assert freeze([{"group": "foo", "level": "1"}]) == request
    assert freeze([]) == b"\x05\x05\x02\0\0\0\0"
    assert freeze([{"é": None, "k": "é"}]) == (
        b"\x05\x05\x02\0\0\0\x01\x04\x19\0\0\0\0\x02\x05\x01\0\0\0\x02\xc3\xa9\x17\x02\xc3\xa9\0\0\0\0\x01k"
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x" * 255, b"\x0a\xff"),
        ("x" * 256, b"\x01\0\0\x01\0"),
        ("é" * 127, b"\x17\xfe"),
        ("é" * 128, b"\x18\0\0\x01\0"),
        ("é\udce9", b"\x0a\x03"),
        ("\udce9" * 256, b"\x01\0\0\x01\0"),
    ],
)
def test_freeze_lengths(text: str, kind: bytes) -> None:
    """A string has the shortest type that its bytes fit into; undecodable bytes make all of it a byte string."""
    data = encoded(text)

    assert freeze([{"k": text}]) == one_hash(kind + data).replace(b"\x05\x0b", b"\x05\x05", 1)


@pytest.mark.parametrize("code_point", [0xD800, 0xDC7F, 0xDD00], ids=hex)
def test_freeze_refuses(code_point: int) -> None:
    """A surrogate that stands for no byte cannot be stored, as a key or a value."""
    for pairs in {chr(code_point): "v"}, {"k": f"\udcff{chr(code_point)}"}:
        with pytest.raises(StorableError, match="surrogates not allowed"):
            freeze([pairs])


# --- any bytes --------------------------------------------------------------------------------------------------------

# Text as it is decoded: what stands for undecodable bytes would not decode otherwise.
TEXT = st.one_of(
    st.text(),
    st.binary(max_size=400).map(decoded),
    st.sampled_from(["x" * 255, "x" * 256, "é" * 127, "é" * 128, "\udcff" * 300]),
)
HASHES = st.lists(st.dictionaries(TEXT, st.none() | TEXT, max_size=4), max_size=4)


@given(HASHES)
def test_round_trip(hashes: Hashes) -> None:
    """What was frozen thaws, with its keys in order."""
    thawed = thaw(freeze(hashes))

    assert thawed == hashes
    assert [list(thawed_hash) for thawed_hash in thawed] == [list(given_hash) for given_hash in hashes]


SAMPLES = (
    one_hash(b"\x0a\x03foo"),
    one_hash(b"\x18\0\0\0\x02\xc3\xa9"),
    one_hash(b"\x09\0\0\x01\0"),
    flag_hash(b"\x08\x81", 5, b"\xc3\xa9", hash_flags=1),
    freeze([{"group": "foo", "level": None}, {"é": "€", "k": "\udce9"}]),
)


def mutants(frozen: bytes) -> list[bytes]:
    """Each byte changed to each other, left out, and doubled."""
    places = range(len(frozen))
    changed = [frozen[:at] + bytes([byte]) + frozen[at + 1 :] for at in places for byte in range(256)]
    return changed + [frozen[:at] + frozen[at + more :] for at in places for more in (1, 4)]


@pytest.mark.parametrize("frozen", SAMPLES, ids=range(len(SAMPLES)))
def test_every_mutant_is_thawed_or_refused(frozen: bytes) -> None:
    """One byte that is wrong gives other hashes, or a StorableError, and nothing else."""
    for mutant in mutants(frozen):
        with suppress(StorableError):
            check(thaw(mutant))


def check(hashes: Hashes) -> None:
    for pairs in hashes:
        assert all(isinstance(key, str) for key in pairs)
        assert all(value is None or isinstance(value, str) for value in pairs.values())


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    frozen = bytearray(draw(st.sampled_from(SAMPLES) | HASHES.map(freeze)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(frozen)))
        frozen[start : start + draw(st.integers(0, 5))] = draw(st.binary(max_size=6) | st.just(MANY))
    return bytes(frozen)


ANY_BYTES = st.one_of(
    st.binary(),
    st.binary().map(lambda data: b"\x05\x0b" + data),
    st.binary().map(lambda data: ARRAY_OF_ONE + data),
    mutated(),
)


def allocated(work: Callable[[], object]) -> int:
    """The most bytes that were allocated at a time."""
    tracemalloc.start()
    try:
        with suppress(StorableError):
            work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def most_for(frozen: bytes) -> int:
    """An empty hash is 5 bytes, and a dict of one pair 10; a dict takes 64 and about 230."""
    return 8_192 + 40 * len(frozen)


@settings(max_examples=500)
@given(ANY_BYTES)
def test_any_bytes(frozen: bytes) -> None:
    """Any bytes are hashes or a StorableError, for no more memory than a small multiple of their length."""
    assert allocated(lambda: check(thaw(frozen))) <= most_for(frozen)


GREEDY = {
    "empty hashes": b"\x05\x0b\x02" + number(10_000) + b"\x03\0\0\0\0" * 10_000,
    "hashes of one pair": b"\x05\x0b\x02" + number(5_000) + (b"\x03\0\0\0\x01" + UNDEF + number(0)) * 5_000,
    "a hash of many": ARRAY_OF_ONE
    + b"\x03"
    + number(9_000)
    + b"".join(UNDEF + number(2) + struct.pack(">H", at) for at in range(9_000)),
    "wide characters": one_hash(b"\x18" + number(60_004) + b"a" * 60_000 + "\U0001f600".encode()),
    "undecodable bytes": one_hash(b"\x01" + number(60_000) + b"\xff" * 60_000),
    "a count that is nearly right": b"\x05\x0b\x02" + number(12_000) + b"\0" * 60_000,
    **{name: frozen for name, (frozen, _) in REFUSED.items()},
}


@pytest.mark.parametrize("name", GREEDY)
def test_greedy_bytes(name: str) -> None:
    """The worst that fits into a message takes no more than that either."""
    assert allocated(lambda: thaw(GREEDY[name])) <= most_for(GREEDY[name])


# --- perl -------------------------------------------------------------------------------------------------------------

FROM_PERL: dict[str, tuple[str, Hashes]] = {
    "a request": ('[{group => "foo", level => "1"}]', [{"group": "foo", "level": "1"}]),
    "an integer": ('[{group => "foo", level => 1}]', [{"group": "foo", "level": "1"}]),
    "an empty string": ('[{k => ""}]', [{"k": ""}]),
    "255 bytes": ('[{k => "x" x 255}]', [{"k": "x" * 255}]),
    "256 bytes": ('[{k => "x" x 256}]', [{"k": "x" * 256}]),
    "60,000 bytes": ('[{k => "x" x 60_000}]', [{"k": "x" * 60_000}]),
    "UTF-8 in bytes": (r'[{k => "\xc3\xa9"}]', [{"k": "é"}]),
    "bytes that are no UTF-8": (r'[{k => "\xe9"}]', [{"k": "\udce9"}]),
    "characters": (r'[{k => "\x{20ac}"}]', [{"k": "€"}]),
    "characters of one byte": (r'my $s = "\xe9"; utf8::upgrade($s); [{k => $s}]', [{"k": "é"}]),
    "300 characters": (r'[{k => "\x{20ac}" x 300}]', [{"k": "€" * 300}]),
    "small integers": ("[{map { $_ => $_ } -128, -1, 0, 127}]", [{k: k for k in ("-128", "-1", "0", "127")}]),
    "integers of 32 bits": (
        "[{map { $_ => $_ } -129, 128, 65536, 2147483647, -2147483648}]",
        [{k: k for k in ("-129", "128", "65536", "2147483647", "-2147483648")}],
    ),
    "integers beyond 32 bits": (
        "[{map { $_ => $_ } 2147483648, -2147483649, 5000000000, 9223372036854775807, 18446744073709551615}]",
        [{k: k for k in ("2147483648", "-2147483649", "5000000000", "9223372036854775807", "18446744073709551615")}],
    ),
    "doubles": ("[{a => 1.5, b => -0.25, c => 1e100, d => 9**9**9}]", [{"a": "1.5", "b": "-0.25", "c": "1e+100"}]),
    "a string used as a number": ('my $l = "1"; my $x = $l + 1; [{k => $l}]', [{"k": "1"}]),
    "a number used as a string": ('my $l = 1; my $x = "$l"; [{k => $l}]', [{"k": "1"}]),
    "undef": ("[{k => undef}]", [{"k": None}]),
    "true and false": ("[{t => !!1, f => !!0, n => (1 == 2)}]", [{"t": "1", "f": "", "n": ""}]),
    "no pairs": ("[{}]", [{}]),
    "no hashes": ("[]", []),
    "two hashes": ("[{a => 1}, {b => 2}]", [{"a": "1"}, {"b": "2"}]),
    "a reference to an array": (r"\[{a => 1}]", [{"a": "1"}]),
    "a reference to a reference": (r"\\[\\{a => 1}]", [{"a": "1"}]),
    "keys of characters": (
        r'[{"\x{20ac}" => 1, k => 2}]',
        [{"€": "1", "k": "2"}],
    ),
    "keys of characters of one byte": (r'my $k = "\xe9"; utf8::upgrade($k); [{$k => 1}]', [{"é": "1"}]),
    "keys of bytes": (r'[{"\xe9" => 1, "\xc3\xa9" => 2}]', [{"\udce9": "1", "é": "2"}]),
    "sorted": (
        "$Storable::canonical = 1; [{map { $_ => 1 } qw(c a b)}]",
        [{"a": "1", "b": "1", "c": "1"}],
    ),
    "a restricted hash": (
        'use Hash::Util "lock_keys"; my %h = (group => "foo"); lock_keys(%h, qw(group level)); [\\%h]',
        [{"group": "foo"}],
    ),
    "a locked hash": (
        r'use Hash::Util "lock_hash"; my %h = (group => "foo", "\x{20ac}" => undef); lock_hash(%h); [\%h]',
        [{"group": "foo", "€": None}],
    ),
}


@pytest.mark.parametrize("name", [name for name in FROM_PERL if name != "doubles"])
def test_perl_freezes(name: str) -> None:
    """What nfreeze makes of strings, numbers and hashes of all kinds is thawed here."""
    code, expected = FROM_PERL[name]

    assert thaw(perl(f"print nfreeze(do {{ {code} }})")) == expected


def test_perl_freezes_doubles() -> None:
    """A double is the text that perl writes for it; infinity too."""
    code, expected = FROM_PERL["doubles"]
    (thawed,) = thaw(perl(f"print nfreeze(do {{ {code} }})"))

    assert str(thawed.pop("d")).lower() == "inf"
    assert [thawed] == expected


def test_perl_keeps_the_order_of_canonical() -> None:
    """With $Storable::canonical, keys arrive sorted."""
    (thawed,) = thaw(perl(f"print nfreeze(do {{ {FROM_PERL['sorted'][0]} }})"))

    assert list(thawed) == ["a", "b", "c"]


NOT_FROM_PERL = {
    "a blessed hash": ("nfreeze([bless {a => 1}, 'Foo'])", "SX_BLESS"),
    "a blessed array": ("nfreeze(bless [{a => 1}], 'Foo')", "SX_BLESS"),
    "a class for the second time": ("nfreeze([{}, bless({}, 'Foo'), bless({}, 'Foo')])", "SX_BLESS"),
    "a class with hooks": ("sub Foo::STORABLE_freeze { 'x' } nfreeze([bless {}, 'Foo'])", "SX_HOOK"),
    "an overloaded class": (
        "package Foo; use overload '\"\"' => sub { 'x' }; package main; nfreeze([{k => bless {}, 'Foo'}])",
        "SX_OVERLOAD",
    ),
    "code": ("$Storable::Deparse = 1; nfreeze([{k => sub { 1 }}])", "SX_REF"),
    "code for a hash": ("$Storable::Deparse = 1; nfreeze([sub { 1 }])", "SX_CODE"),
    "a tied hash": ("use Tie::Hash; tie my %h, 'Tie::StdHash'; nfreeze([\\%h])", "SX_TIED_HASH"),
    "a regular expression": ("nfreeze([{k => qr/x/}])", "SX_REF"),
    "a version string": ("nfreeze([{k => v1.2.3}])", "SX_VSTRING"),
    "a weak reference": (
        "use Scalar::Util 'weaken'; my $h = {}; my $a = [$h]; weaken($a->[0]); nfreeze($a)",
        "SX_WEAKREF",
    ),
    "a hash twice": ("my $h = {}; nfreeze([$h, $h])", "SX_OBJECT"),
    "a loop": ("my $a = []; push @$a, $a; nfreeze($a)", "SX_OBJECT"),
    "a hash in a hash": ("nfreeze([{k => {}}])", "SX_REF"),
    "a reference to a string": ("nfreeze([{k => \\'x'}])", "SX_REF"),
    "a hash by itself": ("nfreeze({k => 1})", "SX_HASH"),
    "a string by itself": ("nfreeze(\\'x')", "SX_SCALAR"),
    "strings": ("nfreeze(['foo'])", "SX_SCALAR"),
    "undef": ("nfreeze([undef, {k => 'foo'}, {k => 'foo'}])", "SX_"),
    "native order": ("freeze([{k => 1}])", "at byte 0: 0x04"),
    "an array around an array": ("nfreeze([[{}]])", "SX_ARRAY"),
    "a surrogate": (r'no warnings; nfreeze([{k => "\x{d800}"}])', "not UTF-8"),
}


@pytest.mark.parametrize("name", NOT_FROM_PERL)
def test_perl_freezes_what_is_refused(name: str) -> None:
    """Classes, code, ties, loops and other shapes that perl can freeze do not get in."""
    code, expected = NOT_FROM_PERL[name]
    frozen = perl(f"print do {{ {code} }}")

    with pytest.raises(StorableError) as caught:
        thaw(frozen)
    assert expected in str(caught.value)


TO_PERL: Hashes = [
    {"group": "foo", "level": "1"},
    {"msg": "x" * 255, "long": "x" * 256, "longer": "x" * 60_000, "none": None, "empty": "", "nul": "a\0b"},
    {"é": "é", "€": "€" * 300, "k": "a\udce9"},
    {"\udce9": "caf\udce9"},
    {},
]

# Each hash as a line, each of its strings as c or b, for characters or bytes, with the bytes in hexadecimal.
DUMP = """
sub text {
    my ($s) = @_;
    defined $s or return 'undef';
    my $kind = utf8::is_utf8($s) ? 'c' : 'b';
    utf8::encode($s) if $kind eq 'c';
    return $kind . unpack 'H*', $s;
}
local $/;
for my $h (@{thaw(<STDIN>)}) {
    print join(' ', sort map { text($_) . '=' . text($h->{$_}) } keys %$h), "\n";
}
"""


def dumped(text: str | None) -> str:
    if text is None:
        return "undef"
    characters = not text.isascii() and text == text.encode(errors="replace").decode()
    return ("c" if characters else "b") + encoded(text).hex()


def test_perl_thaws() -> None:
    """What was frozen here is in perl what it was here: characters, or the bytes of the table."""
    lines = perl(DUMP, freeze(TO_PERL)).decode().splitlines()

    assert lines == [" ".join(sorted(f"{dumped(k)}={dumped(v)}" for k, v in pairs.items())) for pairs in TO_PERL]


def test_perl_finds_keys() -> None:
    """A key that was frozen here is found under its characters, also if perl holds them in one byte each."""
    code = r'local $/; my $h = thaw(<STDIN>)->[0]; print join ",", $h->{"\xe9"}, $h->{"\x{20ac}"}, $h->{k}'

    assert perl(code, freeze([{"é": "1", "€": "2", "k": "3"}])) == b"1,2,3"


# Keys of text only: perl takes é for the same key as the byte E9.
@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text(), st.none() | TEXT, max_size=8), max_size=8))
def test_perl_passes_on(hashes: Hashes) -> None:
    """What perl thaws and freezes again thaws here as what it was."""
    assert thaw(perl("local $/; print nfreeze(thaw(<STDIN>))", freeze(hashes))) == hashes
