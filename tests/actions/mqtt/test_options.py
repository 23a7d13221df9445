import logging
from pathlib import Path

import pytest

from listener.actions.mqtt import MqttAction
from listener.actions.mqtt.options import MqttOptions
from listener.config_file import validate
from listener.errors import ActionError, ConfigError
from tests.actions.fakes import settings


def of(**values: object) -> MqttOptions:
    return validate(MqttOptions, {"host": "broker", **values})


def test_short_forms() -> None:
    assert of(tls=True, discovery=True).discovery == of(discovery={}).discovery
    assert of(tls=False).tls is None
    assert of(discovery=False).discovery is None
    assert of().broker_port == 1883
    assert of(tls=True).broker_port == 8883
    assert of(tls=True, port=1).broker_port == 1
    assert of(protocol=5).protocol == "5"
    assert of(username=1, password=1234).password == "1234"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"protocol": "3.1"}, "protocol: must be '5' or '3.1.1'"),
        ({"host": "mqtt://broker"}, "host: must be a name or an address alone"),
        ({"port": 0}, "port: must be"),
        ({"password": "x"}, "password needs username"),
        ({"tls": {"key": "k.pem"}}, "key needs certificate"),
        ({"tls": {"ca": "k.pem"}}, "tls.ca: unknown key: there are ca_file"),
        ({"node": "a/b"}, "node: must be"),
        ({"topic": "x/{clip}"}, "no field '{clip}'"),
        ({"topic": "x/{"}, "brace"),
        ({"discovery": {"prefix": "home/#"}}, "discovery.prefix: must not contain"),
        ({"discovery": {"prefix": "{node}"}}, "discovery.prefix: must be a topic"),
        ({"queue": 0}, "queue: must be"),
        ({"client_id": "ü"}, "client_id: "),
    ],
)
def test_what_cannot_be(values: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        of(**values)


def test_a_password_is_not_shown() -> None:
    assert "hush" not in repr(of(username="me", password="hush-hush"))


def test_sensors_need_both_ends() -> None:
    plain, shown = MqttAction("mqtt", of()), MqttAction("mqtt", of(discovery=True))
    assert plain.adapt(settings()).when == "onset"
    assert shown.adapt(settings()).when == "both"
    assert shown.adapt(settings(when="all")).when == "all"
    for when in ("onset", "offset", "update"):
        with pytest.raises(ActionError, match="when: 'discovery' has to hear of beginnings and ends"):
            shown.adapt(settings(when=when))
        assert plain.adapt(settings(when=when)).when == when


def test_names_of_machines_differ_with_their_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "pi")
    names = [MqttAction("mqtt", of()), MqttAction("yard", of()), MqttAction("yard", of(node="shed"))]
    assert [action.topics.node for action in names] == ["pi", "pi_yard", "shed"]


def test_files_of_tls(certificates: Path, tmp_path: Path) -> None:
    def problem(**tls: object) -> str:
        action = MqttAction("mqtt", of(tls=tls))
        with pytest.raises(ActionError) as caught:
            action.open()
        return str(caught.value)

    (tmp_path / "rubbish").write_text("no certificate")
    (tmp_path / "encrypted").write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    assert problem(ca_file="/nowhere") == "tls.ca_file: cannot be read: No such file or directory"
    assert problem(ca_file=f"{tmp_path}/rubbish").startswith("tls.ca_file: no file with certificates")
    assert problem(certificate="/nowhere").startswith("tls.certificate, tls.key: cannot be read: No such")
    for key in ("rubbish", "encrypted"):
        told = problem(certificate=f"{certificates}/client.pem", key=f"{tmp_path}/{key}")
        assert told.startswith("tls.certificate, tls.key: no file with a certificate and its key")


def test_insecure_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        MqttAction("mqtt", of(tls={"insecure": True})).open()
    assert "tls.insecure: anybody may be the broker" in caplog.text
