"""The configuration file: what it means, and how its mistakes are told."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from sceplab_agent.config import AgentConfig, load_config
from sceplab_agent.config_view import describe_config, format_toml, mask_uri
from sceplab_agent.core.policy import (
    AfterExpiry,
    Backoff,
    CaPin,
    EnrollmentPolicy,
    PinAlgorithm,
    Recovery,
    RolloverMode,
    RolloverPolicy,
    UnpinnedCa,
)
from sceplab_agent.errors import ConfigError
from sceplab_agent.exit_codes import ExitCode
from sceplab_hsm.api import KeyAlgorithm
from sceplab_scep.algorithms import Digest, Floor

HEX64 = "ab" * 32
SECRET = "planted-hunter2"

SMALLEST = """
[agent]
state_dir = "state"
[keystore]
uri = "soft:keys"
[trustpoint.lab]
url = "http://ca.example.org/scep"
subject = "CN=router1,O=Example"
"""

EVERYTHING = f"""
[agent]
state_dir = "/var/lib/agent"

[http]
connect_timeout_s = 1
read_timeout_s = 2.5
total_timeout_s = 3
max_reply_bytes = 2048
tls_ca_file = "tls.pem"
user_agent = "Cisco PKI"

[keystore]
uri = "soft:keys?kdf=lab"
secret = "env:PASS"

[trustpoint.lab]
url = "https://ca.example.org/scep"
ca_identifier = "my ca"
fingerprint = "{HEX64}"
on_unpinned = "tofu"
ra_fingerprints = ["{"ef" * 32}"]
subject = "CN=router1.example.org,serialNumber=FTX1,unstructuredName=router1,O=Example"
dns_names = ["router1.example.org"]
emails = ["r1@example.org"]
ip_addresses = ["192.0.2.1", "2001:db8::1"]
challenge = "file:otp"
digest = "sha512"
floor = "ndes"
recovery = "poll"
clock_skew_s = 10

[trustpoint.lab.key]
algorithm = "rsa:3072"
store = "pkcs11:token=x?module-path=/usr/lib/m.so"
secret = "prompt:PIN of the token"
fallback = "soft:spare"
fallback_secret = "file:spare-pass"
id = "router-key"
delete_when_replaced = false

[trustpoint.lab.poll]
first_s = 5
growth = 2
ceiling_s = 50
jitter_share = 0.25
max_polls = 7
max_wait_s = 600

[trustpoint.lab.retry]
first_s = 1
growth = 1
ceiling_s = 1
jitter_share = 1
max_attempts = 3

[trustpoint.lab.rollover]
mode = "ask"
check_every_s = 3600
switch_before_s = 86400

[trustpoint.lab.renewal]
enabled = false
at_share = 0.5
days_before_end = 14
jitter_share = 0.1
new_key = false
send_challenge = true
implicit = true
least_gap_s = 600
after_expiry = "stop"

[trustpoint.second]
url = "http://other.example.org"
legacy_fingerprint = "md5:{"cd" * 16}"
subject = "CN=second"
"""


def read(text: str, base: Path = Path("/etc/agent")) -> AgentConfig:
    """Reads TOML text as a file in ``base``."""
    return AgentConfig.from_mapping(tomllib.loads(text), file="agent.toml", base=base)


def problems(text: str) -> list[str]:
    """Every mistake of a text, as a person reads them."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.exit_code is ExitCode.CONFIGURATION
    return [str(problem) for problem in caught.value.problems]


def with_line(line: str, table: str = "[trustpoint.lab]") -> str:
    """The smallest file with one more line at the head of a table."""
    if table not in SMALLEST:
        return f"{SMALLEST}\n{table}\n{line}\n"
    return SMALLEST.replace(table, f"{table}\n{line}")


def test_smallest_file_has_safe_defaults() -> None:
    """Four lines are enough; an unpinned CA is refused, the floor is the strictest."""
    config = read(SMALLEST)
    (lab,) = config.trustpoints
    assert config.state_dir == Path("/etc/agent/state")
    assert lab.store_uri == "soft:/etc/agent/keys"
    assert lab.policy == EnrollmentPolicy(name="lab", uses_challenge=False)
    assert lab.policy.unpinned_ca is UnpinnedCa.REFUSE
    assert lab.policy.floor is Floor.MODERN
    assert lab.key_algorithm is KeyAlgorithm.RSA_2048
    assert config.http.tls_ca_file is None


def test_every_key_is_read() -> None:
    """Each key lands where it belongs, in its unit and type."""
    config = read(EVERYTHING)
    lab, second = config.trustpoints
    policy = lab.policy
    assert dataclasses.astuple(config.http.limits) == (1.0, 2.5, 3.0, 2048)
    assert config.http.tls_ca_file == Path("/etc/agent/tls.pem")
    assert config.http.user_agent == "Cisco PKI"
    assert (lab.ca_identifier, lab.challenge) == ("my ca", "file:/etc/agent/otp")
    assert lab.digest is Digest.SHA512
    assert lab.key_algorithm is KeyAlgorithm.RSA_3072
    assert lab.store_secret == "prompt:PIN of the token"
    assert lab.fallback_uri == "soft:/etc/agent/spare"
    assert lab.fallback_secret == "file:/etc/agent/spare-pass"
    assert lab.emails == ("r1@example.org",)
    assert [str(address) for address in lab.ip_addresses] == ["192.0.2.1", "2001:db8::1"]
    assert policy.pin == CaPin(algorithm=PinAlgorithm.SHA256, digest=bytes.fromhex(HEX64))
    assert policy.unpinned_ca is UnpinnedCa.TOFU
    assert policy.recovery is Recovery.POLL
    assert (policy.key_id, policy.owns_key, policy.uses_challenge) == ("router-key", False, True)
    assert policy.poll.backoff == Backoff(first_s=5, growth=2, ceiling_s=50, jitter_share=0.25)
    assert (policy.poll.max_polls, policy.poll.max_wait_s) == (7, 600)
    assert policy.retry.backoff == Backoff(first_s=1, growth=1, ceiling_s=1, jitter_share=1)
    assert policy.retry.max_attempts == 3
    assert policy.rollover == RolloverPolicy(
        mode=RolloverMode.ASK, check_every_s=3600, switch_before_s=86_400
    )
    assert dataclasses.astuple(policy.renewal) == (
        *(False, 0.5, 14.0, 0.1, False, True, True),
        *(600, AfterExpiry.STOP),
    )
    assert second.store_uri == "soft:/etc/agent/keys?kdf=lab"
    assert second.store_secret == "env:PASS"
    assert second.policy.pin is not None
    assert second.policy.pin.algorithm is PinAlgorithm.MD5


def test_subject_keeps_its_order_and_odd_attributes() -> None:
    """The most specific part comes first in the text and last in the name."""
    subject = read(EVERYTHING).trustpoints[0].subject
    assert [attribute.oid.dotted_string for attribute in subject] == [
        "2.5.4.10",
        "1.2.840.113549.1.9.2",
        "2.5.4.5",
        "2.5.4.3",
    ]


def test_effective_configuration_reads_back() -> None:
    """What `check` prints means the same as the file, defaults filled in."""
    config = read(EVERYTHING)
    text = format_toml(describe_config(config))
    # The first key is named after its trustpoint unless the file says else.
    again = read(text, base=Path("/"))
    second = again.trustpoints[1]
    policy = dataclasses.replace(second.policy, key_id="")
    again = dataclasses.replace(
        again, trustpoints=(again.trustpoints[0], dataclasses.replace(second, policy=policy))
    )
    assert again == config


def test_effective_configuration_masks_a_pin() -> None:
    """A PIN inside a PKCS#11 URI is not shown."""
    assert mask_uri("pkcs11:token=a?pin-value=1234&x=y") == "pkcs11:token=a?pin-value=***&x=y"


@pytest.mark.parametrize(
    ("line", "table", "path", "closest"),
    [
        ("fingerprnt = 'x'", "[trustpoint.lab]", "trustpoint.lab.fingerprnt", "fingerprint"),
        ("state-dir = 'x'", "[agent]", "agent.state-dir", "state_dir"),
        ("max_poll = 3", "[trustpoint.lab.poll]", "trustpoint.lab.poll.max_poll", "max_polls"),
        (
            "after_expire = 'stop'",
            "[trustpoint.lab.renewal]",
            "trustpoint.lab.renewal.after_expire",
            "after_expiry",
        ),
        (
            "min_gap_s = 3",
            "[trustpoint.lab.renewal]",
            "trustpoint.lab.renewal.min_gap_s",
            "least_gap_s",
        ),
        ("read_timeout = 3", "[http]", "http.read_timeout", "read_timeout_s"),
        ("a = 1", "[trustpoints.lab]", "trustpoints", "trustpoint"),
        ("algorithms = 'x'", "[trustpoint.lab.key]", "trustpoint.lab.key.algorithms", "algorithm"),
    ],
)
def test_unknown_key_names_the_closest(line: str, table: str, path: str, closest: str) -> None:
    """A key nobody knows is an error that names its place and the closest known key."""
    expected = f"{path}: is not known here; did you mean '{closest}'?"
    assert problems(with_line(line, table)) == [expected]


def test_an_unknown_word_for_what_follows_an_end_names_the_closest() -> None:
    """The two words there are, and the one that was probably meant."""
    found = problems(with_line('after_expiry = "enrol"', "[trustpoint.lab.renewal]"))
    path = "trustpoint.lab.renewal.after_expiry"
    assert found == [f"{path}: is one of enroll, stop; did you mean 'enroll'?"]


def test_unknown_key_without_a_close_one_lists_all() -> None:
    """Where nothing is close the known keys are listed."""
    (found,) = problems(with_line("zzzzzzzzz = 1", "[agent]"))
    assert found == "agent.zzzzzzzzz: is not known here; known: state_dir"


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody has to run a check five times to find five mistakes."""
    found = problems(
        """
        [agent]
        state_dir = 5
        [trustpoint.lab]
        url = "ftp://x"
        floor = "moderm"
        dns_names = ["ok", 7]
        [trustpoint.lab.poll]
        max_polls = 0
        """
    )
    assert found == [
        "agent.state_dir: must be a text in quotes",
        "trustpoint.lab.key.store: is missing, and there is no [keystore] uri",
        "trustpoint.lab.url: the URL must start with http:// or https://",
        'trustpoint.lab.subject: is missing; write for example subject = "CN=router1,O=Example"',
        "trustpoint.lab.dns_names: entry 2 must be a text in quotes",
        "trustpoint.lab.floor: is one of modern, ndes, lab; did you mean 'modern'?",
        "trustpoint.lab.poll.max_polls: must be from 1 to 100000",
    ]


@pytest.mark.parametrize(
    ("line", "table", "expected"),
    [
        ("clock_skew_s = true", "[trustpoint.lab]", "clock_skew_s: must be a number"),
        ("clock_skew_s = nan", "[trustpoint.lab]", "clock_skew_s: must be from 0 to 86400"),
        ("clock_skew_s = -1", "[trustpoint.lab]", "clock_skew_s: must be from 0 to 86400"),
        ("max_polls = 2.5", "[trustpoint.lab.poll]", "max_polls: must be a whole number"),
        ('mode = "aks"', "[trustpoint.lab.rollover]", "mode: is one of auto, ask, off"),
        ("enabled = 1", "[trustpoint.lab.renewal]", "enabled: must be true or false"),
        ("dns_names = 'x'", "[trustpoint.lab]", "dns_names: must be an array of texts"),
        ("poll = 7", "[trustpoint.lab]", "poll: must be a table"),
        ("ip_addresses = ['1.2.3']", "[trustpoint.lab]", "entry 1: is no IP address"),
        ("emails = ['R <r@x.org>']", "[trustpoint.lab]", "entry 1: is no e-mail address"),
        ("dns_names = ['a b']", "[trustpoint.lab]", "entry 1: is no DNS name"),
        (
            "algorithm = 'ec:p256'",
            "[trustpoint.lab.key]",
            "algorithm: is one of rsa:2048, rsa:3072",
        ),
        ("id = 'a/b'", "[trustpoint.lab.key]", "key.id: key name 'a/b' is not"),
        ("digest = 'sha3'", "[trustpoint.lab]", "digest: is one of md5, sha1"),
        ("on_unpinned = 'guess'", "[trustpoint.lab]", "on_unpinned: is one of refuse, ask, tofu"),
        ("secret = 'env:X'", "[trustpoint.lab.key]", "key.secret: belongs to a key.store"),
        ("fallback = 'soft:x'", "[trustpoint.lab.key]", "key.fallback: belongs to a store"),
        ("fallback_secret = 'env:X'", "[keystore]", "fallback_secret: belongs to a fallback"),
        ("fallback = 'soft:./keys'", "[keystore]", "keystore.fallback: is the same store as uri"),
        ("user_agent = 'a\\nb'", "[http]", "user_agent: must be at most 200 printable"),
        ("tls_ca_file = ''", "[http]", "tls_ca_file: is empty"),
    ],
)
def test_wrong_value_is_told_with_its_place(line: str, table: str, expected: str) -> None:
    """Wrong types, ranges and words name the dotted path and what is expected."""
    if "\\n" in line:
        line = line.replace("'", '"')
    assert any(expected in problem for problem in problems(with_line(line, table)))


@pytest.mark.parametrize(
    ("line", "table"),
    [
        (f"challenge = '{SECRET}'", "[trustpoint.lab]"),
        (f"challenge = 'plain:{SECRET}'", "[trustpoint.lab]"),
        (f"challenge_password = '{SECRET}'", "[trustpoint.lab]"),
        (f"secret = '{SECRET}'", "[keystore]"),
        (f"ca_identifer = '{SECRET}'", "[trustpoint.lab]"),
        (f"legacy_fingerprint = '{SECRET}'", "[trustpoint.lab]"),
        (f"floor = '{SECRET}'", "[trustpoint.lab]"),
        (f"dns_names = ['{SECRET} x']", "[trustpoint.lab]"),
        (f"poll = '{SECRET}'", "[trustpoint.lab]"),
    ],
)
def test_secret_in_the_wrong_place_is_not_repeated(line: str, table: str) -> None:
    """A secret typed into the file is refused without being printed."""
    assert SECRET not in "\n".join(problems(with_line(line, table)))


def test_secret_in_the_url_is_not_repeated() -> None:
    """A password in the URL is refused without being printed."""
    text = SMALLEST.replace("http://ca", f"http://user:{SECRET}@ca")
    (found,) = problems(text)
    assert "user name or password" in found
    assert SECRET not in found


def test_plain_challenge_says_how_to_write_it() -> None:
    """The way to give a secret is named."""
    (found,) = problems(with_line("challenge = 'abc'"))
    assert "env:NAME, file:PATH or prompt:" in found


def test_two_trustpoints_do_not_share_a_key_they_own() -> None:
    """The same key under two trustpoints would be deleted by either."""
    text = (
        SMALLEST
        + """
    [trustpoint.lab.key]
    id = "shared"
    [trustpoint.other]
    url = "http://b.example.org"
    subject = "CN=b"
    [trustpoint.other.key]
    id = "shared"
    """
    )
    (found,) = problems(text)
    assert "trustpoint.other.key.id: names the key of trustpoint 'lab'" in found


def two_trustpoints(first: str, second: str) -> str:
    """A file with ``lab`` and ``other``, each with these lines in its table."""
    return f"""{SMALLEST}
    {first}
    [trustpoint.other]
    url = "http://b.example.org"
    subject = "CN=b"
    {second}
    """


@pytest.mark.parametrize(
    ("first", "second", "is_fine"),
    [
        ("delete_when_replaced = false", "", False),
        ("", "delete_when_replaced = false", False),
        ("delete_when_replaced = false", "delete_when_replaced = false", False),
        ("delete_when_replaced = false", "delete_when_replaced = false", True),
    ],
)
def test_shared_key_is_one_that_nobody_replaces(first: str, second: str, is_fine: bool) -> None:
    """Whoever deletes it, or makes its successor, would take it from the other."""
    renewal = "renewal = { new_key = false }" if is_fine else ""
    text = two_trustpoints(
        f"key.id = 'shared'\n{'key.' + first if first else ''}\n{renewal}",
        f"key.id = 'shared'\n{'key.' + second if second else ''}\n{renewal}",
    )
    if is_fine:
        assert len(read(text).trustpoints) == 2
    else:
        (found,) = problems(text)
        assert "names the key of trustpoint 'lab', and either would delete it" in found


@pytest.mark.parametrize(("first", "second"), [("a", "a.2"), ("a.2", "a"), ("a.b", "a.b.10")])
def test_successor_of_one_key_is_not_the_name_of_another(first: str, second: str) -> None:
    """A renewal of 'a' would take the key 'a.2' of the other trustpoint for its own."""
    (found,) = problems(two_trustpoints(f"key.id = '{first}'", f"key.id = '{second}'"))
    longer = max(first, second, key=len)
    assert f"'{longer}' is what a renewal names a new key of" in found
    elsewhere = "key.store = 'soft:other'"
    assert read(two_trustpoints(f"key.id = '{first}'", f"key.id = '{second}'\n{elsewhere}"))


def test_a_fallback_counts_where_names_of_keys_must_differ() -> None:
    """What falls back into the store of another trustpoint needs another name."""
    falls_back = "key.id = 'a'\nkey.store = 'tpm:chip'\nkey.fallback = 'soft:keys'"
    (found,) = problems(two_trustpoints("key.id = 'a'", falls_back))
    assert "either would delete it" in found
    assert read(two_trustpoints("key.id = 'b'", falls_back))


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("soft:{0}/keys", "soft:{0}/link", True),
        ("soft:{0}/link/../keys", "soft:{0}/elsewhere/keys", True),
        ("tpm-stub:{0}/none", "tpm-stub:{0}/elsewhere/none", True),
        ("soft:{0}/keys", "fault+soft:{0}/link?fault=busy:sign:1", True),
        ("soft:{0}/keys", "soft:{0}/none", False),
        ("pkcs11:token=T?module-name=a&x-softhsm2-conf={0}/link/c",
         "pkcs11:token=T?x-softhsm2-conf={0}/keys/c&module-name=a", True),
        ("pkcs11:token=T?module-name=a", "pkcs11:token=%54?module-path=/usr/lib/liba.so", True),
        ("pkcs11:token=T?module-name=a", "pkcs11:token=T;serial=1?module-name=a", True),
        ("pkcs11:token=T?module-name=a", "pkcs11:serial=1?module-name=a", True),
        ("pkcs11:token=T?module-name=a", "fault+pkcs11:token=T?module-name=b", True),
        ("pkcs11:slot-id=1?module-name=a", "pkcs11:slot-id=2?module-name=b", True),
        ("pkcs11:slot-id=1?module-name=a", "pkcs11:slot-id=2?module-name=a", False),
        ("pkcs11:token=T;serial=2?module-name=a", "pkcs11:token=T;serial=1?module-name=a", False),
        ("pkcs11:token=T?module-name=a", "pkcs11:token=U?module-name=a", False),
        ("pkcs11:token=T?module-name=a&x-softhsm2-conf=/c",
         "pkcs11:token=T?module-name=a&x-softhsm2-conf=/d", False),
    ],
)  # fmt: skip
def test_one_store_written_in_two_ways_is_one(
    tmp_path: Path, first: str, second: str, is_one: bool
) -> None:
    """Links, order, encoding, module and further attributes hide no shared key; others may be."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "link").symlink_to("keys")
    (tmp_path / "elsewhere").symlink_to(".")
    uris = [uri.format(tmp_path) for uri in (first, second)]
    text = two_trustpoints(*(f"key.id = 'a'\nkey.store = '{uri}'" for uri in uris))
    if is_one:
        (found,) = problems(text)
        assert "trustpoint.other.key.id: names the key of trustpoint 'lab'" in found
    else:
        assert len(read(text).trustpoints) == 2


def test_one_directory_under_two_uris_is_one_store() -> None:
    """Another spelling of the path does not hide that a key is shared."""
    text = two_trustpoints(
        "key.id = 'a'\nkey.store = 'soft:./x/../keys'", "key.id = 'a'\nkey.store = 'soft:keys'"
    )
    (found,) = problems(text)
    assert "names the key of trustpoint 'lab'" in found


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("soft:keys", "soft:/etc/agent/keys"),
        ("tpm-stub:chip?latency=none", "tpm-stub:/etc/agent/chip?latency=none"),
        ("tpm:chip?tcti=device:/dev/tpmrm0", "tpm:/etc/agent/chip?tcti=device:/dev/tpmrm0"),
        ("fault+soft:keys?kdf=lab", "fault+soft:/etc/agent/keys?kdf=lab"),
        ("fault+fault+tpm-stub:chip", "fault+fault+tpm-stub:/etc/agent/chip"),
        ("soft:/var/keys", "soft:/var/keys"),
        ("pkcs11:token=x?module-path=/m.so", "pkcs11:token=x?module-path=/m.so"),
        ("fault+pkcs11:token=x", "fault+pkcs11:token=x"),
        ("vendor:slot/1", "vendor:slot/1"),
    ],
)
def test_any_key_store_may_be_named(written: str, meant: str) -> None:
    """Directories start from the file's own; every other URI stays as it is written."""
    (lab,) = read(with_line(f"key.store = '{written}'")).trustpoints
    assert lab.store_uri == meant


def test_pin_in_a_key_store_uri_is_refused_and_not_repeated() -> None:
    """A secret never stands in the file itself, not even where RFC 7512 would let it."""
    (found,) = problems(with_line("key.store = 'pkcs11:token=x?pin-value=4711'"))
    assert "holds a PIN" in found
    assert "env:NAME, file:PATH or prompt:" in found
    assert "4711" not in found


def test_file_without_trustpoints_is_refused() -> None:
    """A file that configures nothing says what to add."""
    assert problems("[agent]\nstate_dir = 'x'") == [
        "trustpoint: there is none; add a table [trustpoint.NAME]"
    ]


@pytest.mark.parametrize("name", ['"../up"', '".hidden"', '"a b"', f'"{"x" * 65}"'])
def test_trustpoint_names_are_safe_as_folders(name: str) -> None:
    """A name that could leave the state directory is refused."""
    text = SMALLEST.replace("[trustpoint.lab]", f"[trustpoint.{name}]")
    assert any("a trustpoint's name" in problem for problem in problems(text))


def test_selection_keeps_the_order_asked_for() -> None:
    """Names select; no name selects all; a wrong one is told with those that are known."""
    config = read(EVERYTHING)
    assert [t.name for t in config.select(("second", "lab", "second"))] == ["second", "lab"]
    assert len(config.select(())) == 2
    with pytest.raises(ConfigError, match="no trustpoint 'lap'; known: lab, second"):
        config.select(("lap",))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[agent\n", "is no TOML: "),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"#" * 1_048_577, "is longer than 1 MiB"),
        (None, "cannot be read: No such file"),
    ],
)
def test_unreadable_file_is_named(tmp_path: Path, content: bytes | None, expected: str) -> None:
    """A file that cannot be used is named with the reason."""
    path = tmp_path / "agent.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_paths_start_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths mean the same wherever the agent is started."""
    (tmp_path / "agent.toml").write_text(SMALLEST)
    monkeypatch.chdir("/")
    config = load_config(tmp_path / "agent.toml")
    assert config.state_dir == tmp_path / "state"
    assert config.trustpoints[0].store_uri == f"soft:{tmp_path}/keys"


def test_base_with_special_characters_survives_in_a_store_uri() -> None:
    """A folder with a question mark in its name does not change the store's options."""
    config = read(SMALLEST, base=Path("/etc/what?#%"))
    assert config.trustpoints[0].store_uri == "soft:/etc/what%3F%23%25/keys"


def test_fingerprint_and_legacy_fingerprint_exclude_each_other() -> None:
    """Two pins are one too many."""
    lines = f"fingerprint = '{HEX64}'\nlegacy_fingerprint = 'md5:{'cd' * 16}'"
    assert any("stands next to fingerprint" in problem for problem in problems(with_line(lines)))


def test_subject_may_be_anything_of_rfc4514() -> None:
    """Escapes and several values of one part are kept."""
    config = read(SMALLEST.replace("CN=router1,O=Example", "CN=a\\\\, b+L=c,O=Ex"))
    expected = x509.Name.from_rfc4514_string("CN=a\\, b+L=c,O=Ex")
    assert config.trustpoints[0].subject == expected


def test_configuration_is_frozen() -> None:
    """Nobody changes a configuration that was checked."""
    config: Any = read(SMALLEST)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.state_dir = Path("/")


def test_configuration_read_twice_is_the_same(tmp_path: Path) -> None:
    """A reload of an unchanged file finds nothing changed, consumers of certificates included."""
    path = tmp_path / "agent.toml"
    table = '[[trustpoint.lab.handoff]]\nkind = "files"\ndirectory = "out"\n'
    path.write_text(SMALLEST + table)
    before = load_config(path).trustpoints
    assert load_config(path).trustpoints == before
    path.write_text(SMALLEST + table.replace("out", "elsewhere"))
    assert load_config(path).trustpoints != before
