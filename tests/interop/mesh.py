"""What the scripts of this folder share: a node on the mesh of this box, in Python and Go, and checks
that tell what they saw."""

import asyncio
import json
import pathlib
import sys
from contextlib import asynccontextmanager

try:
    import macula_py
except ImportError as error:
    sys.exit(f"macula-py is missing ({error}): pip install -r .ci/requirements.txt")

# A hybrid signature takes a debug build long, and the box may be busy.
PATIENCE_MS = 20_000


class Mesh:
    """A node of its own on the development mesh, with its realm."""

    def __init__(self, pool, key, info):
        self.pool, self.key, self.realm, self.realm_name = pool, key, info["realm"], info["realm_name"]
        self.profile, self.realm_key = info["profile"], bytes.fromhex(info["realm_key"])

    async def call(self, procedure, payload, **options):
        return await self.pool.call(self.realm, procedure, payload, timeout_ms=PATIENCE_MS, **options)

    async def refused(self, procedure, payload, **options):
        """The error that a call ends with."""
        try:
            reply = await self.call(procedure, payload, **options)
        except (macula_py.MaculaError, TypeError, ValueError) as error:
            return error
        raise Failed(f"{procedure} answered {reply!r} to {payload!r}, where it should refuse")

    async def claim(self, org):
        """Has the realm admit an org, as services do."""
        procedure = f"{self.realm_name}/_realm/_realm/identity/request_provider_authorization_v1"
        return await self.call(procedure, {"org": org, "service_name": "python", "box": "here"})

    async def token(self, org, *actions):
        """A token of the realm for this node."""
        procedure = f"{self.realm_name}/_realm/_realm/identity/issue_service_token_v1"
        asked = {"org": org, "service_name": "python", "scope": "python", "actions": list(actions)}
        told = await self.call(procedure, {**asked, "resources": [], "ttl_days": 1})
        return told["token"].decode()


class Failed(Exception):
    """What was seen is not what should be."""


def check(what, found, wanted):
    """Tells what was found, and fails when that is something else."""
    matches = wanted(found) if callable(wanted) else found == wanted
    if not matches:
        raise Failed(f"{what}: {found!r}" + ("" if callable(wanted) else f", where {wanted!r} should be"))
    print(f"{what}: {found!r}", flush=True)


def check_error(what, error, kind, *words):
    """Tells how an error reads, and fails unless it is of that kind and has all of those words."""
    missing = [word for word in words if word not in str(error)]
    if not isinstance(error, kind) or missing:
        raise Failed(f"{what}: {type(error).__name__}: {error}; where {kind.__name__} with {words} should be")
    print(f"{what}: {error}", flush=True)


def station(folder):
    """What the station of this box says of itself."""
    info = json.loads((pathlib.Path(folder) / "station" / "station.json").read_text())
    if info["schema"] != "hecate.station/1":
        raise Failed(f"the station is of schema {info['schema']}")
    return info


@asynccontextmanager
async def joined(folder):
    """A new node on the mesh whose runtime folder that is."""
    info = station(folder)
    key = await macula_py.NodeKey.generate(info["profile"])
    seed = macula_py.Seed(info["host"], info["port"], info["node_id"])
    trust = {info["realm"]: info["realm_key"]}
    # With a key of its own that others seal to.
    async with await macula_py.Pool.connect(key, [seed], realm_trust=trust, kem_advertise=True) as pool:
        yield Mesh(pool, key, info)


def run(script):
    """Runs a script on the folder that its first argument names."""

    async def main():
        async with joined(sys.argv[1]) as mesh:
            await script(mesh)

    try:
        asyncio.run(main())
    except Failed as failed:
        sys.exit(f"failed: {failed}")
    print("all of it is so", flush=True)
