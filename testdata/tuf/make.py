"""Writes a small TUF repository in two states with python-tuf: see README.md."""

import copy
import os
import sys
from datetime import datetime, timezone

from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    MetaFile,
    Metadata,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer
from urllib.parse import quote

EXPIRES = datetime(2100, 1, 1, tzinfo=timezone.utc)
OUT = sys.argv[1]
FILES = {"hello.txt": b"hello\n", "releases/1.0": b"one\n", "odd/\u00e9 #.txt": b"odd\n"}


def p384():
    private = ec.generate_private_key(ec.SECP384R1())
    return CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))


root_keys = [CryptoSigner.generate_ed25519(), CryptoSigner.generate_ecdsa(), CryptoSigner.generate_rsa(size=2048)]
timestamp_key, snapshot_key, targets_key = (CryptoSigner.generate_ecdsa() for _ in range(3))
releases_keys = [p384(), CryptoSigner.generate_rsa(size=2048)]
odd_key = CryptoSigner.generate_ed25519()


def save(state, name, metadata):
    folder = os.path.join(OUT, state)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(metadata.to_bytes(JSONSerializer(compact=False)))


def signed(role, *signers):
    metadata = Metadata(role)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata


def meta(version, metadata):
    data = metadata.to_bytes(JSONSerializer(compact=False))
    return MetaFile(version, len(data), {"sha256": __import__("hashlib").sha256(data).hexdigest()})


def target(path):
    info = TargetFile.from_data(path, FILES[path], ["sha256", "sha512"])
    info.unrecognized_fields["custom"] = {"note": "tab\there, \"quoted\" \\ and \u00e9"}
    return info


def seal(state, version, roles, timestamp_signer):
    snapshot = Snapshot(version, expires=EXPIRES, meta={f"{name}.json": meta(m.signed.version, m) for name, m in roles.items()})
    snapshot = signed(snapshot, snapshot_key)
    timestamp = signed(Timestamp(version, expires=EXPIRES, snapshot_meta=meta(version, snapshot)), timestamp_signer)
    for name, metadata in roles.items():
        save(state, f"{metadata.signed.version}.{quote(name, '')}.json", metadata)
    save(state, f"{version}.snapshot.json", snapshot)
    save(state, "timestamp.json", timestamp)


root = Root(expires=EXPIRES, consistent_snapshot=True)
root.unrecognized_fields["x-example"] = {"kept": [1, True, None]}
for key in root_keys:
    root.add_key(key.public_key, "root")
root.roles["root"].threshold = 2
for role, key in {"timestamp": timestamp_key, "snapshot": snapshot_key, "targets": targets_key}.items():
    root.add_key(key.public_key, role)
root_1 = signed(root, root_keys[0], root_keys[1])

releases = DelegatedRole("targets/releases", [k.public_key.keyid for k in releases_keys], 2, True, paths=["releases/*"])
odd = DelegatedRole("r\u00f4le ?", [odd_key.public_key.keyid], 1, False, path_hash_prefixes=[f"{n:x}" for n in range(16)])
keys = {k.public_key.keyid: k.public_key for k in [*releases_keys, odd_key]}
top = Targets(expires=EXPIRES, delegations=Delegations(keys, {"targets/releases": releases, "r\u00f4le ?": odd}))
top.targets["hello.txt"] = target("hello.txt")
list_1 = Targets(expires=EXPIRES, targets={"releases/1.0": target("releases/1.0")})
odd_1 = Targets(expires=EXPIRES, targets={"odd/\u00e9 #.txt": target("odd/\u00e9 #.txt")})
roles = {
    "targets": signed(top, targets_key),
    "targets/releases": signed(list_1, *releases_keys),
    "r\u00f4le ?": signed(odd_1, odd_key),
}
save("1", "1.root.json", root_1)
seal("1", 1, roles, timestamp_key)

# The second state: one root key and the timestamp key are others, the releases role lists nothing any more.
root_2 = copy.deepcopy(root)
root_2.version = 2
new_root_key, new_timestamp_key = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
root_2.revoke_key(root_keys[2].public_key.keyid, "root")
root_2.add_key(new_root_key.public_key, "root")
root_2.revoke_key(timestamp_key.public_key.keyid, "timestamp")
root_2.add_key(new_timestamp_key.public_key, "timestamp")
list_2 = Targets(version=2, expires=EXPIRES)
save("2", "1.root.json", root_1)
save("2", "2.root.json", signed(root_2, root_keys[0], root_keys[1], new_root_key))
seal("2", 2, {**roles, "targets/releases": signed(list_2, *releases_keys)}, new_timestamp_key)

for path, data in FILES.items():
    folder, _, name = path.rpartition("/")
    os.makedirs(os.path.join(OUT, "targets", folder), exist_ok=True)
    with open(os.path.join(OUT, "targets", folder, f"{target(path).hashes['sha256']}.{name}"), "wb") as file:
        file.write(data)
