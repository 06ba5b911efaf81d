"""[csms] with a security profile, and [[network]]."""

from __future__ import annotations

import tomllib

import pytest

from station.config import parse
from station.config_network import check_networks
from station.errors import ConfigError

BASE = """
[station]
id = "CS1"
[[board]]
driver = "sim"
evses = [1]
"""
PASSWORD = 'password = "correct-horse-battery"'


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(tomllib.loads(BASE + text))
    return caught.value.problems


def test_several_ways() -> None:
    text = f"""
[csms]
url = "wss://one/ocpp"
security_profile = 2
{PASSWORD}
[[network]]
url = "wss://two/ocpp"
security_profile = 2
version = "1.6"
message_timeout_s = 10
"""
    found = parse(tomllib.loads(BASE + text))
    assert found.csms.profile == 2
    assert [(one.url, one.version, one.message_timeout_s) for one in found.networks] == [("wss://two/ocpp", "1.6", 10)]
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("csms", "words"),
    [
        ('url = "ws://a"\nsecurity_profile = 2', "csms.security_profile: 2 does not go with this url"),
        ('url = "wss://a"\nsecurity_profile = 1', "csms.security_profile: 1 does not go with this url"),
        ('url = "ws://a"\nsecure_url = "ws://b"', "csms.secure_url: is no address for security profile 2"),
        ('url = "ws://a"\n[[network]]\nurl = "ws://b"\nsecurity_profile = 3', "is no address for security profile 3"),
        ('url = "ws://a"\n[[network]]\nurl = "ws://u:secret@b"\nsecurity_profile = 0', "is no address"),
        ('url = "ws://a"' + '\n[[network]]\nurl = "ws://b"\nsecurity_profile = 0' * 4, "there are 4 network profiles"),
    ],
)
def test_what_does_not_fit(csms: str, words: str) -> None:
    found = problems("[csms]\n" + csms)
    assert any(words in problem for problem in found), found
    assert "secret" not in "".join(found)


def test_what_works_but_should_not_stay_so() -> None:
    text = """
[csms]
url = "wss://one/ocpp"
security_profile = 3
[[network]]
url = "ws://two/ocpp"
security_profile = 1
"""
    warnings = " ".join(parse(tomllib.loads(BASE + text)).warnings)
    assert "3 needs a certificate of the station" in warnings
    assert "1 needs a password" in warnings
    assert "is lower than that of [csms]" in warnings
    assert check_networks.__doc__
