"""Profiles, configuration files and the words their mistakes are told in."""

from __future__ import annotations

from pathlib import Path

import pytest

from sceplab_ndes.config import ServerConfig, load_config
from sceplab_ndes.errors import ConfigError
from sceplab_ndes.profiles import check_floor, load_profile, profile_names
from sceplab_ndes.refusals import format_hresult, refusals
from sceplab_scep.algorithms import Floor


def test_there_are_three_profiles_and_each_is_complete() -> None:
    """Every setting has a value in every profile."""
    assert profile_names() == ["rfc8894", "compat", "ndes"]
    for name in profile_names():
        assert load_profile(name).name == name


def test_profiles_differ_where_they_should() -> None:
    """One telling setting of each."""
    assert load_profile("rfc8894").reply.empty_content == "omit"
    assert load_profile("compat").reply.empty_content == "empty"
    assert load_profile("ndes").reply.empty_content == "zero"
    assert load_profile("ndes").template.serial_layout == "adcs"


def test_overrides_change_one_setting_and_leave_the_others() -> None:
    """Sections are merged, not replaced."""
    changed = load_profile("ndes", {"challenge": {"cache_size": 20}})
    assert changed.challenge.cache_size == 20
    assert changed.challenge.length_bytes == 8
    assert load_profile("ndes").challenge.cache_size == 5


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"chalenge": {}}, "unknown key 'chalenge'; did you mean 'challenge'?"),
        ({"challenge": {"cache_sise": 3}}, "did you mean 'cache_size'?"),
        ({"challenge": {"mode": "onetime"}}, "cannot be 'onetime'; did you mean 'one-time'?"),
        ({"challenge": {"cache_size": 0}}, "'challenge.cache_size': "),
        ({"reply": {"digest": "md5"}}, "'reply.digest' cannot be 'md5'"),
    ],
)
def test_wrong_settings_are_told_with_the_closest_right_one(
    overrides: dict[str, object], text: str
) -> None:
    """Path, reason, hint."""
    with pytest.raises(ConfigError) as caught:
        load_profile("compat", overrides)
    assert text in str(caught.value)


def test_an_unknown_profile_is_told_with_the_closest_one() -> None:
    """`nde` means `ndes`."""
    with pytest.raises(ConfigError, match="did you mean 'ndes'"):
        load_profile("nde")


def test_a_profile_that_cannot_work_at_the_floor_says_so() -> None:
    """Names algorithms and the floor that would do."""
    profile = load_profile("ndes")
    with pytest.raises(ConfigError, match=r"sha1 and des-ede3-cbc.*floor 'ndes'"):
        check_floor(profile, Floor.MODERN)
    check_floor(profile, Floor.NDES)
    check_floor(load_profile("compat"), Floor.MODERN)
    assert profile.floor is Floor.NDES


def test_every_cause_has_a_text_and_numbers() -> None:
    """The table of refusals is complete and its HRESULTs are errors."""
    for cause, row in refusals().items():
        assert row.cause == cause
        assert row.text
        assert row.hresult < 0
    assert format_hresult(refusals()["key-too-short"].hresult) == "0x80094811"


def test_every_cause_in_the_source_is_in_the_table() -> None:
    """A refusal with an unknown cause could not be answered."""
    import re

    import sceplab_ndes

    folder = Path(str(sceplab_ndes.__file__)).parent
    used = set()
    for path in folder.rglob("*.py"):
        used.update(re.findall(r'RefusedError\(\s*"([a-z-]+)"', path.read_text("utf-8")))
    assert used
    assert used <= set(refusals())


CONFIG = """
profile = "ndes"
port = 8080
static_password = "env:STATIC"

[ca]
common_name = "Training CA"
two_tier = true
algorithm = "rsa:3072"

[[users]]
name = "alice"
password = "file:/run/alice"
may_enroll = false

[settings.challenge]
cache_size = 20
"""


def test_a_configuration_file_is_read(tmp_path: Path) -> None:
    """Every table reaches its place; secrets stay references."""
    path = tmp_path / "server.toml"
    path.write_text(CONFIG)
    config = load_config(path)
    assert config.server_profile().challenge.cache_size == 20
    assert config.ca.two_tier
    assert config.ca.algorithm.value == "rsa:3072"
    assert config.users[0].password == "file:/run/alice"
    assert not config.users[0].may_enroll
    assert ServerConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("profle = 'compat'", "unknown key 'profle'; did you mean 'profile'?"),
        ("floor = 'ndse'", "'floor' cannot be 'ndse'; did you mean 'ndes'?"),
        ("port = 70000", "'port'"),
        ("static_password = 'hunter2'", "given by reference"),
        ("[[users]]\nname = 'x'\npassword = 'hunter2'", "'users.0.password'"),
        ("[ca]\nalgorithm = 'ec:p256'", "SCEP needs RSA keys"),
        ("[ca]\ntwo_tiers = true", "did you mean 'two_tier'?"),
        ("[settings.replay]\ndigest = 'sha1'", "did you mean 'reply'?"),
        ("profile = 'ndes'\nfloor = 'modern'", "floor 'ndes'"),
        ("profile = ", "is no TOML"),
    ],
)
def test_mistakes_in_the_file_name_the_file_and_no_secret(
    tmp_path: Path, text: str, told: str
) -> None:
    """One message for each mistake; plain secrets are refused and not repeated."""
    path = tmp_path / "server.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    """With the reason of the operating system."""
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.toml")
