#!/usr/bin/env python3
"""Writes the vectors beside it. Signing is by python's `cryptography`, not by boltseal: a second implementation.

    ./make.py      needs the package `cryptography`; signatures differ from run to run
"""

import base64
import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

HERE = Path(__file__).parent
DATA = HERE.parent
IMAGE = "sha256:a4ae8dba89657ee343d766312957890a960e40c41512ca197ccb7413016c9215"
OTHER = "sha256:" + "0b" * 32
INDEX_TEXT = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
    {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": IMAGE, "size": 401,
     "platform": {"architecture": "amd64", "os": "linux"}}]})
INDEX = "sha256:" + hashlib.sha256(INDEX_TEXT.encode()).hexdigest()
SIGN = "https://sigstore.dev/cosign/sign/v1"
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
IN_TOTO = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
COSIGN, RELEASE, QA = "keys/p256-cosign-pub.test.pem", "keys/p256-pub.test.pem", "keys/ed25519-pub.test.pem"


def private(name):
    return serialization.load_pem_private_key((DATA / f"keys/{name}-pkcs8.test.pem").read_bytes(), None)


def b64(data):
    return base64.b64encode(data).decode()


def sign(key, message):
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA256()))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def hint(key):
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return b64(hashlib.sha256(key.public_key().public_bytes(serialization.Encoding.DER, spki)).digest())


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def envelope(payload, keys, payload_type=IN_TOTO):
    payload = payload.encode()
    pae = b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)
    return {"payload": b64(payload), "payloadType": payload_type, "signatures": [{"sig": b64(sign(k, pae))} for k in keys]}


def bundle(payload, key="p256", payload_type=IN_TOTO, says=None):
    key = private(key)
    material = {"publicKey": {"hint": says if says is not None else hint(key)}}
    content = envelope(payload, [key], payload_type)
    return {"kind": "bundle", "text": compact({"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": content})}


def statement(*digests, kind=SIGN, name=None, predicate={}, version="v1", **more):
    subjects = [dict({"name": name} if name else {}, digest=dict([d.split(":")])) for d in digests]
    members = {"_type": f"https://in-toto.io/Statement/{version}", "subject": subjects, "predicateType": kind}
    return compact(dict(members, **({} if predicate is None else {"predicate": predicate}), **more))


def simple(key="p256", digest=IMAGE, reference="registry.example.com/app:v1", text=None, signature=None):
    critical = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    text = text or compact({"critical": critical, "optional": None})
    return {"kind": "simple-signing", "text": text, "signature": signature or b64(sign(private(key), text.encode()))}


def wire(path, kind="bundle"):
    return {"kind": kind, "file": f"wire/{path}"}


def wire_simple(folder, blob):
    manifest = json.loads(next((DATA / f"wire/{folder}").glob("[rs][ei][fg]*.json")).read_text())
    signature = manifest["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"]
    return dict(wire(f"{folder}/{blob}", "simple-signing"), signature=signature)


def policy(keys=(RELEASE,), attestations=None, scope="**", mode="enforced", **signatures):
    names = [f"key{at}" for at in range(len(keys))]
    asked = {"signatures": dict({"from": names}, **signatures)} if attestations is None else {}
    if attestations is not None:
        asked = {"attestations": [dict({"from": names}, **one) for one in attestations]}
    authorities = {name: {"key": key} for name, key in zip(names, keys)}
    return {"version": 1, "mode": mode, "authorities": authorities, "images": {scope: asked}}


def case(name, what, blobs, expect, reasons=(), rejections=(), reference="registry.example.com/app:v1", **more):
    given = {"name": name, "what": what, "reference": reference, "digest": IMAGE, "now": "2026-11-22T00:00:00Z"}
    given = given | {"policy": policy()} | more | {"blobs": blobs}
    return given | {"expect": expect, "reasons": list(reasons), "rejections": list(rejections)}


def cosign():
    by_cosign = policy([COSIGN])
    good, sig = wire("cosign-bundle/blob-5d7a9e3dd9df.json"), wire_simple("cosign-legacy", "blob-93ebd4a806cf.json")
    ask = lambda kind: policy([COSIGN], attestations=[{"type": kind}])
    ed25519ph = dict(wire("../keys/ed25519-cosign.payload", "simple-signing"))
    ed25519ph["signature"] = b64((DATA / "keys/ed25519-cosign.sig").read_bytes())
    app = "sha256:dac51b59db491ed89c9e63498fb89c83fac67d2946e13563506fa2b8660fc3ec"
    attestations = {
        "custom": "cosign-att-custom/blob-10fb10bcba63.json",
        "cyclonedx": "cosign-att-cyclonedx/blob-49f33777a207.json",
        "slsaprovenance1": "cosign-att-slsaprovenance1/blob-d9713c118612.json",
        "spdx": "cosign-att-spdx/blob-5e8bc98330f1.json",
        "spdxjson": "cosign-att-spdxjson/blob-f2b53cd99d47.json",
        "vuln": "cosign-att-vuln/blob-574f0b2fc9d6.json",
    }
    cases = [
        case("cosign-bundle", "A bundle as cosign 3 writes it by default.", [good], "allow", policy=by_cosign),
        case("cosign-simple", "A .sig payload as cosign writes it.", [sig], "allow", policy=by_cosign),
        case("cosign-oci11", "A .sig payload attached by subject.",
             [wire_simple("cosign-oci11", "blob-d15ab6ca26b0.json")], "allow", policy=by_cosign),
        case("skopeo-simple", "A .sig payload by skopeo's own signer, which signs the tag too.",
             [wire_simple("skopeo", "blob-72b9bc20cb92.json")], "allow",
             reference="127.0.0.1:5100/sk-signed:v1", policy=policy([COSIGN], identity="tag")),
        case("cosign-p384", "cosign signs with SHA-384 by a P-384 key, and can't verify that by default.",
             [wire("cosign-p384/blob-be22f22cef4e.json"), wire_simple("cosign-p384", "blob-9dc9c483d1b5.json")],
             "allow", policy=policy(["wire/cosign-p384/key.test.pub"])),
        case("cosign-ed25519ph", "cosign signs with Ed25519ph, and can't verify that at all.", [ed25519ph], "allow",
             digest=app, policy=policy([QA])),
        case("cosign-wrong-key", "Signed by a key that the policy does not name.", [good, sig], "deny",
             ["signer-unknown", "unsigned"], ["signer-unknown", "signer-unknown"]),
        case("cosign-wrong-digest", "The same bundle on another image.", [good], "deny",
             ["subject-mismatch", "unsigned"], ["subject-mismatch"], digest=OTHER, policy=by_cosign),
        case("cosign-foreign-bundle-beside", "A bundle by a stranger beside cosign's .sig: it hides nothing.",
             [bundle(statement(IMAGE)), sig], "allow", [], ["signer-unknown"], policy=by_cosign),
        case("cosign-junk-beside", "Junk before and after the good bundle.",
             [{"kind": "bundle", "text": "{"}, good, {"kind": "envelope", "text": "[]"}], "allow", [],
             ["malformed", "malformed"], policy=by_cosign),
        case("notation-alone", "Notation's signatures are another format: the image is not signed for us.",
             [{"kind": "foreign", "media-type": "application/jose+json"}, {"kind": "foreign", "media-type": "application/cose"}],
             "deny", ["unsigned"], ["format-unsupported", "format-unsupported"], policy=by_cosign),
        case("cosign-repository", "A .sig payload says which repository was signed.", [sig], "allow",
             reference="127.0.0.1:5100/cs-legacy:v1", policy=policy([COSIGN], identity="repository")),
        case("cosign-copied", "A .sig copied to another repository.", [sig], "deny", ["identity-mismatch", "threshold-unmet"],
             reference="127.0.0.1:5100/copy:v1", policy=policy([COSIGN], identity="repository")),
        case("cosign-no-reference", "cosign's bundles carry no reference: they can't meet `identity: repository`.", [good],
             "deny", ["identity-mismatch", "threshold-unmet"], policy=policy([COSIGN], identity="repository")),
        case("cosign-no-tag", "cosign's .sig carries no tag: it can't meet `identity: tag`.", [sig], "deny",
             ["identity-mismatch", "threshold-unmet"], reference="127.0.0.1:5100/cs-legacy:v1",
             policy=policy([COSIGN], identity="tag")),
        case("cosign-annotation", "An annotation that was signed.", [sig], "allow",
             policy=policy([COSIGN], annotations={"env": "prod"})),
        case("cosign-other-annotation", "Another value of the annotation than is asked for.", [sig], "deny",
             ["annotation-mismatch", "threshold-unmet"], policy=policy([COSIGN], annotations={"env": "dev"})),
        case("cosign-attestation-only", "An image with only an attestation is not signed, though cosign verifies it.",
             [wire(attestations["custom"])], "deny", ["unsigned"], policy=by_cosign),
        case("cosign-signature-only", "A signature is no attestation.", [good], "deny", ["attestation-missing"], policy=ask("vuln")),
        case("cosign-other-type", "An attestation of another type.", [wire(attestations["vuln"])], "deny",
             ["attestation-missing"], policy=ask("slsaprovenance1")),
        case("cosign-att-legacy", "A bare envelope, as under .att.",
             [wire("cosign-att-legacy/blob-b25c6f888c29.json", "envelope"), wire("cosign-att-legacy/blob-4c5b6678defc.json", "envelope")],
             "allow", policy=policy([COSIGN], attestations=[{"type": "custom"}, {"type": "slsaprovenance1"}])),
    ]
    return cases + [
        case(f"cosign-attest-{kind}", f"An attestation as `cosign attest --type {kind}` writes it.", [wire(path)], "allow", policy=ask(kind))
        for kind, path in attestations.items()
    ]


def statements():
    about = statement(IMAGE, name="registry.example.com/app:v1")
    two = {"kind": "envelope", "text": compact(envelope(about, [private("p256"), private("ed25519")]))}
    none = {"kind": "envelope", "text": compact(dict(envelope(about, []), signatures=[]))}
    many = {"kind": "envelope", "text": compact(envelope(about, [private("p256")] * 17))}
    other = json.loads(bundle(about)["text"])
    other["dsseEnvelope"]["payload"] = b64(statement(OTHER).encode())
    both = [RELEASE, QA]
    mismatch = (["subject-mismatch", "unsigned"], ["subject-mismatch"])
    foreign, unsigned = (["unsigned"], ["format-unsupported"]), lambda rejection: (["unsigned", rejection], [rejection])
    sha512 = compact({"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha512": IMAGE[7:]}}], "predicateType": SIGN})
    twice = about[:-1] + ',"predicateType":"' + VULN + '"}'
    return [
        case("statement-signed", "A statement with the image's reference for a name.", [bundle(about)], "allow"),
        case("statement-tag", "Its name is what was asked for.", [bundle(about)], "allow", policy=policy(identity="tag")),
        case("statement-other-tag", "Its name has another tag.", [bundle(about)], "deny", ["identity-mismatch", "threshold-unmet"],
             reference="registry.example.com/app:v2", policy=policy(identity="tag")),
        case("statement-bare-name", "A bare name is a file's, not an image's.", [bundle(statement(IMAGE, name="app"))], "deny",
             ["identity-mismatch", "threshold-unmet"], reference="docker.io/library/app:v1", policy=policy(identity="repository")),
        case("statement-ed25519", "Signed by pure Ed25519.", [bundle(about, "ed25519")], "allow", policy=policy([QA])),
        case("statement-p384", "Signed by P-384 over SHA-384.", [bundle(about, "p384")], "allow", policy=policy(["keys/p384-pub.test.pem"])),
        case("statement-rsa", "Signed by RSA, PKCS#1 v1.5 over SHA-256.", [bundle(about, "rsa2048")], "allow",
             policy=policy(["keys/rsa2048-pub.test.pem"])),
        case("statement-two-subjects", "A statement about two images, one of them this one.", [bundle(statement(OTHER, IMAGE))], "allow"),
        case("statement-two-others", "A statement about two other images.", [bundle(statement(OTHER, INDEX))], "deny", *mismatch),
        case("statement-no-predicate", "A signature's statement needs no predicate.", [bundle(statement(IMAGE, predicate=None))], "allow"),
        case("statement-v01", "The framework's older version.", [bundle(statement(IMAGE, version="v0.1"))], "allow"),
        case("statement-v2", "A version of the framework that does not exist.", [bundle(statement(IMAGE, version="v2"))], "deny", *unsigned("malformed")),
        case("statement-unknown-member", "Unknown members are ignored, as the framework asks.", [bundle(statement(IMAGE, x=1))], "allow"),
        case("statement-no-subject", "About nothing.", [bundle(statement())], "deny", *unsigned("malformed")),
        case("statement-upper-case", "A digest in upper case is none.", [bundle(statement("sha256:" + IMAGE[7:].upper()))], "deny", *mismatch),
        case("statement-other-algorithm", "The same hex under another algorithm.", [bundle(sha512)], "deny", *mismatch),
        case("statement-member-twice", "Signed, and ambiguous: two readers could read two types.", [bundle(twice)], "deny", *unsigned("malformed")),
        case("statement-not-json", "Signed text that is no statement.", [bundle("this image")], "deny", *unsigned("malformed")),
        case("statement-payload-type", "The same statement, signed as something else.", [bundle(about, payload_type="application/json")],
             "deny", *foreign),
        case("statement-other-hint", "The hint is unsigned: a wrong one changes nothing.", [bundle(about, says="AAAA")], "allow"),
        case("statement-hint-of-ours", "Signed by a stranger, with the hint of the policy's key.",
             [bundle(about, "p384", says=hint(private("p256")))], "deny", ["signature-invalid", "unsigned"], ["signature-invalid"]),
        case("statement-swapped", "A good signature over another payload.", [{"kind": "bundle", "text": compact(other)}], "deny",
             ["signature-invalid", "unsigned"], ["signature-invalid"]),
        case("statement-of-the-index", "About the index that lists the image.", [bundle(statement(INDEX))], "allow", index=INDEX_TEXT),
        case("statement-of-another-index", "About an index that does not list the image.", [bundle(statement(OTHER))], "deny", *mismatch,
             index=INDEX_TEXT),
        case("envelope-two-signers", "One envelope, signed by two: both count.", [two], "allow", policy=policy(both, threshold=2)),
        case("envelope-one-of-two", "One of them is asked for.", [two], "allow", policy=policy([QA])),
        case("envelope-no-signature", "An envelope without a signature.", [none], "deny", ["signer-unknown", "unsigned"], ["signer-unknown"]),
        case("envelope-too-many", "More signatures than are looked at.", [many], "deny", *unsigned("over-limit")),
        case("simple-signed", "A .sig payload with repository and tag.", [simple()], "allow", policy=policy(identity="tag")),
        case("simple-other-digest", "A .sig payload about another image.", [simple(digest=OTHER)], "deny", *mismatch),
        case("simple-critical", "An unknown critical member: whoever wrote it wanted it understood.",
             [simple(text=simple()["text"].replace('"type"', '"expires":1,"type"'))], "deny", *unsigned("malformed")),
        case("simple-other-type", "A simple signature of another kind.",
             [simple(text=simple()["text"].replace("cosign container", "atomic container"))], "deny", *unsigned("malformed")),
        case("simple-no-base64", "The signature's annotation is none.", [simple(signature="%%")], "deny", *unsigned("malformed")),
        case("simple-other-bytes", "The right signature, over other bytes.", [simple(text=simple()["text"] + " ", signature=simple()["signature"])],
             "deny", ["signer-unknown", "unsigned"], ["signer-unknown"]),
        case("manifest-malformed", "A listed manifest that could not be decoded.", [{"kind": "malformed", "why": "not JSON"}], "deny", *unsigned("malformed")),
    ]


def policies():
    about = statement(IMAGE)
    good, sig, by_qa = bundle(about), simple(), bundle(about, "ed25519")
    lost = [{"what": "the list of referrers", "why": "503"}]
    both, old = [RELEASE, QA], {"metadata": {"scanFinishedOn": "2026-11-01T00:00:00Z"}}
    scan = lambda predicate: [bundle(statement(IMAGE, kind=VULN, predicate=predicate))]
    fresh = policy(attestations=[{"type": "vuln", "max-age": "7d"}])
    at = lambda time: {"metadata": {"scanFinishedOn": time}}
    return [
        case("nothing", "Nothing hangs on the image.", [], "deny", ["unsigned"]),
        case("nothing-read", "The list could not be read: nobody knows.", [], "could-not-tell", ["unread", "unsigned"], unread=lost),
        case("enough-read", "What was read is enough.", [good], "allow", unread=lost),
        case("not-enough-read", "One of two was read.", [good], "could-not-tell", ["unread", "threshold-unmet"], unread=lost,
             policy=policy(both, threshold=2)),
        case("two-of-two", "Two keys signed, in two formats.", [good, simple("ed25519")], "allow", policy=policy(both, threshold=2)),
        case("one-key-twice", "One key signed twice: it counts once.", [good, sig], "deny", ["threshold-unmet"], policy=policy(both, threshold=2)),
        case("either-of-two", "Either key is enough.", [by_qa], "allow", policy=policy(both)),
        case("no-scope", "No scope of the policy matches: denied with its own reason.", [good], "deny", ["no-policy"],
             policy=policy(scope="registry.example.com/other")),
        case("no-scope-unread", "What could not be read would not have helped.", [], "deny", ["no-policy"], unread=lost,
             policy=policy(scope="registry.example.com/other")),
        case("permissive", "The mode changes what is done with a denial, not the denial.", [], "deny", ["unsigned"], mode="permissive",
             policy=policy(mode="permissive")),
        case("disabled", "Nothing is judged, and nothing is called allowed.", [good], "not-judged", mode="disabled", policy=policy(mode="disabled")),
        case("scan-fresh", "A scan of yesterday.", scan(at("2026-11-21T00:00:00Z")), "allow", policy=fresh),
        case("scan-old", "A scan of three weeks ago, at most seven days are asked for.", scan(old), "deny",
             ["attestation-too-old", "threshold-unmet"], policy=fresh),
        case("scan-timeless", "A scan that states no time.", scan({"scanner": {}}), "deny",
             ["attestation-time-unknown", "threshold-unmet"], policy=fresh),
        case("scan-from-the-future", "A scan of tomorrow.", scan(at("2026-11-23T00:00:00Z")), "deny",
             ["attestation-from-future", "threshold-unmet"], policy=fresh),
        case("identity-unmeetable", "`identity: tag` of an image that was asked for by digest.", [good], "deny", ["identity-unmeetable"],
             reference="registry.example.com/app@" + IMAGE, policy=policy(identity="tag")),
    ]


for name, cases in {"cosign": cosign(), "statements": statements(), "policies": policies()}.items():
    (HERE / f"{name}.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")
    print(f"{name}.json: {len(cases)} cases")
