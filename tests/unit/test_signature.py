"""Who signed a release: checked by UPDP, by openssl alone, and against whoever rewrites, resigns or takes away."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_release import LEXICON, pair
from typer.testing import CliRunner

from tests.unit.workbench_kit import ADMIN, OBSERVER, OFFICER, READER, last, made, workbench
from updp_core.cli import app
from updp_core.errors import Conflict, NotAllowed, UpdpError, UsageError
from updp_core.release import PublicKey, SigningKey, check, verify, write_release
from updp_core.release import signature as sig
from updp_core.release.verifying import _sha256, root_digest, sums_text
from updp_core.store.backup import restore_backup
from updp_core.workbench import Workbench
from updp_core.workbench.keys import PRIVATE, TRUSTED
from updp_core.workbench.releases import checked

DOCS = Path(__file__).parents[2] / "docs" / "release-format.md"
KEY, OTHER = SigningKey.make(), SigningKey.make()
pytestmark = pytest.mark.usefixtures("quick")


def written(out: Path, key: SigningKey | None, *numbers: int) -> Path:
    write_release(out, map(pair, numbers), lexicon=LEXICON, key=key, read_image_text=lambda image: [])
    return out


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        from tests.unit.workbench_kit import hush

        hush(patch)
        return written(tmp_path_factory.mktemp("signed") / "spring", KEY, 0, 1)


@pytest.fixture
def signed(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def sums_anew(out: Path) -> str:
    """SHA256SUMS as a forger would write it for what lies in the folder; the new root digest."""
    names = [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()]
    covered = [name for name in names if name != "SHA256SUMS" and name not in sig.FILES]
    sums = sums_text({name: _sha256(out / name) for name in covered})
    (out / "SHA256SUMS").write_bytes(sums)
    return root_digest(sums)


def put(out: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (out / name).write_bytes(content)


def said(out: Path, **how: Any) -> str:
    found = checked(out, **how)
    return " ".join([*found["problems"], found["signature"]])


def test_a_signed_release_is_whole_and_says_by_which_key_it_was_signed(whole: Path) -> None:
    found = check(whole, key=KEY.public)
    assert (found.problems, found.signed_by) == ([], KEY.public.fingerprint)
    assert len({path.stat().st_mtime for path in (whole, *whole.rglob("*"))}) == 1
    assert KEY.public.fingerprint in (whole / "README.txt").read_text()


def test_the_envelope_is_dsse_as_its_specification_has_it(whole: Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    envelope = json.loads((whole / sig.ENVELOPE).read_text())
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    [one] = envelope["signatures"]
    load_pem_public_key((whole / sig.PUBLIC).read_bytes()).verify(base64.b64decode(one["sig"]), signed)  # type: ignore
    assert payload == f"{_sha256(whole / 'SHA256SUMS')}  SHA256SUMS\n".encode()


def openssl(command: str, where: Path) -> tuple[int, str]:
    done = subprocess.run(["sh", "-c", command], cwd=where, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
def test_the_commands_of_the_readme_check_a_release_with_openssl_alone(signed: Path) -> None:
    lines = (signed / "README.txt").read_text().splitlines()
    fingerprint, signature, root, sums = (line.strip() for line in lines if re.match(r" +(openssl|sha256sum) ", line))
    assert "".join(f"{command}\n" for command in (fingerprint, signature, root, sums)) in DOCS.read_text()
    assert KEY.public.fingerprint in openssl(fingerprint, signed)[1]
    assert openssl(signature, signed) == (0, "Signature Verified Successfully\n")
    digest = openssl(root, signed)[1].split()[-1]
    assert f"{digest}  SHA256SUMS" in (signed / sig.SIGNED).read_text()
    assert openssl(sums, signed) == (0, "")

    put(signed, {sig.SIGNED: (signed / sig.SIGNED).read_bytes().replace(digest.encode(), b"0" * 64)})
    assert openssl(signature, signed)[0] != 0
    put(signed, {name: OTHER.sign(digest)[name] for name in (sig.SIGNED, sig.RAW)})
    assert openssl(signature, signed)[0] != 0
    with open(signed / "manifest.jsonl", "ab") as file:
        file.write(b"\n")
    assert openssl(sums, signed)[0] != 0


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_one_flipped_bit_of_the_signature_is_found(whole: Path, data: st.DataObject) -> None:
    path = whole / data.draw(st.sampled_from(sig.FILES))
    original = path.read_bytes()
    at, bit = data.draw(st.integers(0, len(original) - 1)), data.draw(st.integers(0, 7))
    try:
        path.write_bytes(original[:at] + bytes([original[at] ^ 1 << bit]) + original[at + 1 :])
        found = check(whole)
        assert found.problems and not found.signed_by
    finally:
        path.write_bytes(original)
    assert verify(whole) == []


def test_a_manifest_rewritten_with_all_its_sums_is_told_by_the_signature(signed: Path) -> None:
    manifest = (signed / "manifest.jsonl").read_bytes()
    changed = manifest.replace(b'"out_of_domain": true', b'"out_of_domain": null')
    assert changed != manifest
    put(signed, {"manifest.jsonl": changed})
    description = json.loads((signed / "release.json").read_text())
    description["manifest_sha256"] = _sha256(signed / "manifest.jsonl")
    put(signed, {"release.json": (json.dumps(description, indent=2, sort_keys=True) + "\n").encode()})
    sums_anew(signed)
    assert said(signed).startswith("signature/envelope.json: signs another root digest: the release was changed")


def test_a_wrong_signature_is_told_in_words(signed: Path) -> None:
    forged = OTHER.sign(_sha256(signed / "SHA256SUMS"))
    envelope = json.loads(forged[sig.ENVELOPE])
    envelope["signatures"][0]["keyid"] = KEY.public.fingerprint
    text = (json.dumps(envelope, indent=2, sort_keys=True) + "\n").encode()
    put(signed, {sig.ENVELOPE: text, sig.RAW: forged[sig.RAW]})
    assert "holds a signature that the key in public-key.pem did not make" in said(signed)


def test_who_signs_a_release_of_others_anew_is_told(signed: Path) -> None:
    put(signed, OTHER.sign(_sha256(signed / "SHA256SUMS")))
    assert "is not the key that release.json names" in said(signed)
    description = json.loads((signed / "release.json").read_text()) | {"signed_by": OTHER.public.fingerprint}
    put(signed, {"release.json": json.dumps(description).encode()})
    put(signed, OTHER.sign(sums_anew(signed)))
    assert checked(signed)["ok"] and "not trusted here" in said(signed), "a wholly new release of somebody else"
    assert f"was made with another key ({OTHER.public.fingerprint})" in said(signed, key=KEY.public.pem.decode())


def test_a_signature_cannot_be_taken_away_or_added(signed: Path, tmp_path: Path) -> None:
    shutil.rmtree(signed / sig.FOLDER)
    assert said(signed).startswith("signature: is missing: release.json says that this release was signed")
    plain = written(tmp_path / "plain", None, 0)
    assert "is missing: this release is not signed" in said(plain, key=KEY.public.pem.decode())
    (plain / sig.FOLDER).mkdir()
    assert verify(plain)
    put(plain, OTHER.sign(_sha256(plain / "SHA256SUMS")))
    assert "somebody else has signed" in said(plain)


@pytest.mark.parametrize("name", sig.FILES)
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"null", b"[" * 9000, b"\xff\xfe", b"x" * 2**20])
def test_a_nonsensical_signature_is_a_problem_and_no_crash(signed: Path, name: str, content: bytes | None) -> None:
    (signed / name).unlink() if content is None else (signed / name).write_bytes(content)
    found = check(signed)
    assert found.problems and not found.signed_by


def test_an_unsigned_release_says_so(tmp_path: Path) -> None:
    plain = written(tmp_path / "plain", None, 0)
    assert "This release is not signed" in (plain / "README.txt").read_text()
    assert json.loads((plain / "release.json").read_text())["signed_by"] is None
    found = checked(plain)
    assert (found["ok"], found["signed_by"]) == (True, "") and found["signature"].startswith("Not signed")


def test_only_an_ed25519_public_key_is_taken_for_one() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    p256 = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = p256.public_bytes(sig.Encoding.PEM, sig.PublicFormat.SubjectPublicKeyInfo)
    for text in (b"", b"ssh-ed25519 AAAA", pem, KEY.private_pem()):
        with pytest.raises(UsageError, match="no Ed25519 public key"):
            PublicKey.read(text)


@pytest.fixture
def signing(bench: Workbench) -> Workbench:
    """A workspace with a key and two approved pairs."""
    for record in made(bench, 2):
        bench.decide(record, "approve", actor=READER)
    bench.key_new(actor=OFFICER)
    return bench


def test_releases_of_a_workspace_with_a_key_are_signed_and_known_as_its_own(signing: Workbench, tmp_path: Path) -> None:
    fingerprint = signing.keys(actor=OBSERVER)["fingerprint"]
    assert last(signing.release(tmp_path / "out", actor=OFFICER))["signed_by"] == fingerprint
    found = signing.verify(tmp_path / "out", actor=OBSERVER)
    assert (found["ok"], found["signed_by"]) == (True, fingerprint) and "this workspace" in found["signature"]
    assert signing.releases(actor=OBSERVER)[0]["signed_by"] == fingerprint
    assert signing.audit_verify(actor=OFFICER)["ok"]


def test_the_private_key_is_in_its_file_and_nowhere_else(signing: Workbench, tmp_path: Path) -> None:
    home = signing.desk.settings.home
    assert (home / PRIVATE).stat().st_mode & 0o777 == 0o600
    last(signing.release(tmp_path / "out", actor=OFFICER))
    pem = (home / PRIVATE).read_bytes()
    key = sig.load_pem_private_key(pem, None).private_bytes_raw()  # type: ignore[union-attr]
    marks = [key, key.hex().encode(), base64.b64encode(key), pem.splitlines()[1][-30:], b"PRIVATE"]
    signing.close()
    for path in [*home.rglob("*"), *(tmp_path / "out").rglob("*")]:
        if path.is_file() and path.name != PRIVATE:
            assert [mark for mark in marks if mark in path.read_bytes()] == [], path.name
    assert key.hex() not in repr(vars(SigningKey.read(pem).public)) and repr(SigningKey.read(pem)) == "SigningKey(...)"


def test_a_key_survives_in_a_backup(signing: Workbench, tmp_path: Path) -> None:
    signing.backup(tmp_path / "saved.updp", "correct horse battery", actor=ADMIN)
    restore_backup(tmp_path / "saved.updp", tmp_path / "again", "correct horse battery")
    again = workbench(tmp_path / "again")
    assert again.keys(actor=OFFICER) == signing.keys(actor=OFFICER)
    assert (tmp_path / "again" / PRIVATE).stat().st_mode & 0o777 == 0o600


def test_a_key_is_replaced_only_on_purpose_and_older_releases_are_still_known(
    signing: Workbench, tmp_path: Path
) -> None:
    last(signing.release(tmp_path / "old", actor=OFFICER))
    with pytest.raises(Conflict, match="has a signing key"):
        signing.key_new(actor=OFFICER)
    old, new = signing.keys(actor=OFFICER), signing.key_new(replace=True, actor=OFFICER)
    assert new["fingerprint"] != old["fingerprint"]
    assert "an earlier key of this workspace" in signing.verify(tmp_path / "old", actor=OFFICER)["signature"]
    assert signing.audit_verify(actor=OFFICER)["ok"]


@pytest.mark.parametrize("who", [READER, OBSERVER, ADMIN], ids=lambda who: who.role)
def test_who_may_not_sign_a_release_makes_and_trusts_no_key(bench: Workbench, who: Any) -> None:
    for act in (lambda: bench.key_new(actor=who), lambda: bench.key_trust(KEY.public.pem.decode(), "x", actor=who)):
        with pytest.raises(NotAllowed):
            act()
    assert bench.keys(actor=who) == {"fingerprint": "", "public_key": "", "trusted": []}


def test_a_trusted_key_is_known_by_its_owners_name_which_no_release_holds(
    signing: Workbench, whole: Path, tmp_path: Path
) -> None:
    assert "not trusted here" in signing.verify(whole, anywhere=True, actor=OFFICER)["signature"]
    signing.key_trust(KEY.public.pem.decode(), "Wartenberg Clinic", actor=OFFICER)
    assert "Signed by Wartenberg Clinic" in signing.verify(whole, anywhere=True, actor=OFFICER)["signature"]
    last(signing.release(tmp_path / "out", actor=OFFICER))
    assert not any(b"Wartenberg" in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    for name in ("", "  ", "a\x1bb", "x" * 101):
        with pytest.raises(UsageError, match="whose key"):
            signing.key_trust(KEY.public.pem.decode(), name, actor=OFFICER)


def test_a_key_that_nobody_made_or_trusted_is_told_by_the_audit(signing: Workbench) -> None:
    home = signing.desk.settings.home
    (home / PRIVATE).write_bytes(KEY.private_pem())
    row = {"fingerprint": OTHER.public.fingerprint, "name": "x", "public_key": "", "since": ""}
    (home / TRUSTED).write_text(json.dumps([row]))
    told = " ".join(signing.audit_verify(actor=OFFICER)["problems"])
    assert KEY.public.fingerprint in told and OTHER.public.fingerprint in told


@pytest.mark.parametrize("name", [PRIVATE, TRUSTED])
def test_a_damaged_key_file_is_told_in_words_before_anything_is_written(
    signing: Workbench, tmp_path: Path, name: str
) -> None:
    (signing.desk.settings.home / name).write_bytes(b"?")
    with pytest.raises(UpdpError, match="damaged"):
        signing.keys(actor=OFFICER)
    if name == PRIVATE:
        with pytest.raises(UpdpError, match="damaged"):
            last(signing.release(tmp_path / "out", actor=OFFICER))
        assert not (tmp_path / "out").exists()


def test_the_commands_make_show_trust_and_demand_a_key(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: object, code: int = 0) -> Any:
        done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert done.exit_code == code, done.stderr
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else done.stderr

    monkeypatch.setenv("UPDP_HOME", str(tmp_path / "ws"))
    assert run("verify", whole)["signed_by"] == KEY.public.fingerprint
    assert "key that you gave" in run("verify", whole, "--key", whole / sig.PUBLIC)["signature"]
    (tmp_path / "other.pem").write_bytes(OTHER.public.pem)
    assert not run("verify", whole, "--key", tmp_path / "other.pem", code=1)["ok"]
    assert "cannot be read" in run("verify", whole, "--key", tmp_path / "none.pem", code=1)
    made_key = run("key", "new", "--officer", "grace")
    assert run("key", "show") == made_key and made_key["public_key"].startswith("-----BEGIN PUBLIC KEY")
    run("key", "trust", whole / sig.PUBLIC, "--name", "St. Elsewhere", "--officer", "grace")
    assert "Signed by St. Elsewhere" in run("verify", whole)["signature"]
    assert "may not do this" in run("key", "new", "--replace", "--officer", "ada", "--role", "radiologist", code=1)
